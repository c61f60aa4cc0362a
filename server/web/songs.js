/** What makes a model one for songs, and songs as they are opened to be changed. */

import { Peaks } from "./peaks.js";

/** Decoding needs a rate; what is measured of the sound does not depend on it. */
const SAMPLE_RATE = 44_100;

export function sings(model) {
  return model?.abilities.includes("lyrics") ?? false;
}

/** The model that songs are made by: one that can, if there is any. */
export function songModel(models) {
  const able = models.filter(sings);
  return able.find(({ available }) => available) ?? able[0];
}

/**
 * A song from a file: { file, name, durationSeconds, peaks, ranges }, `ranges` being the parts that
 * are made anew. Rejects where the browser cannot read it.
 */
export async function openSong(file, ranges = []) {
  const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const samples = sound.getChannelData(0).map((sample) => sample * 32767);
  const peaks = new Peaks(samples.length, 1).add(samples);
  return { file, name: file.name ?? "song", durationSeconds: sound.duration, peaks, ranges };
}

/** A finished take as a song; `file` is its sound. */
export function songOfTake({ number, durationSeconds, peaks }, file) {
  return { file, name: `Take ${number}`, durationSeconds, peaks, ranges: [] };
}

/** What a song adds to the settings of a take: fields of the route, and files of it. */
export function songSettings({ lyrics, styleFile, song }) {
  return {
    song: { lyrics, ...(song ? { edit_segments: song.ranges } : {}) },
    files: {
      ...(styleFile ? { ref_audio: styleFile } : {}),
      ...(song ? { ref_song: song.file } : {}),
    },
  };
}
