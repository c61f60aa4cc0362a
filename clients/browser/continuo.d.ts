/** Types of continuo.js. Units are in the names; `duration` is in seconds. */

export type Format = "wav" | "flac" | "ogg" | "mp3" | "midi";

/** The fields of POST /api/v1/generate_music; what you leave out takes the model's own default. */
export interface GenerateParams {
  /** What it should sound like. */
  description: string;
  /** Seconds; the limits are the model's. */
  duration?: number;
  /** A name of `listModels`; else the server's default. */
  model?: string;
  /** 0 to 2³² − 1; drawn by the server and told in `start` if left out. */
  seed?: number;
  /** True unless you say otherwise or ask for `normalize`: without it there are no `audio` events. */
  stream_audio?: boolean;
  /** Of the file in `completed`; `wav` unless you say otherwise. */
  format?: Format;
  /** Send the parts too, where the model has the ability `stems`. */
  stems?: boolean;
  /** 1 to 8, with seeds that follow one another; 1 unless you say otherwise. */
  num_takes?: number;
  /** What the finished sound is brought to; not together with `stream_audio`. */
  normalize?: "peak" | "loudness";
  /** A sound file (a Blob, or base64) whose melody to follow: for the ability `melody`. */
  melody?: Blob | string;
  /** A sound file to go on from: for the ability `continuation`. */
  continue_audio?: Blob | string;
  /** LRC, or plain lines that are spread over the song: for the ability `lyrics`. */
  lyrics?: string;
  /** A sound file of the style, the description being empty: for the ability `style_audio`. */
  ref_audio?: Blob | string;
  /** A song of which `edit_segments` are made anew: for the ability `edited_song`. */
  ref_song?: Blob | string;
  /** Pairs of seconds; -1 is the song's start or end. */
  edit_segments?: [number, number][];
  /** Decode the sound at once, not in pieces: for the ability `whole_decoding`. */
  whole_decoding?: boolean;
  temperature?: number;
  top_k?: number;
  top_p?: number;
  cfg_coef?: number;
  mbd?: boolean;
  bpm?: number;
  scale?: string;
  density?: number;
  brightness?: number;
  mute_bass?: boolean;
  mute_drums?: boolean;
  only_bass_and_drums?: boolean;
  music_generation_mode?: "QUALITY" | "DIVERSITY" | "VOCALIZATION";
  /** More prompts; a weight is any number but 0: for the ability `weighted_prompts`. */
  prompts?: { text: string; weight?: number }[];
}

/** Waiting for a slot; `position` 1 is next. */
export interface QueuedEvent {
  event: "queued";
  position: number;
  eta_seconds: number | null;
  /** What the model is doing while it is being loaded, or empty. */
  activity: string;
}

/** The model has begun. */
export interface StartEvent {
  event: "start";
  job_id: string;
  model: string;
  seed: number;
  sample_rate: number;
  channels: number;
  duration: number;
  interpretation: Record<string, unknown>;
}

/** `progress` is 0 to 100 and never falls. */
export interface ProgressEvent {
  event: "progress";
  progress: number;
  /** Seconds of work per second of music; null until something was made. */
  realtime_factor: number | null;
  /** How much sound to hold back so that playback never stalls. */
  buffer_seconds: number;
}

/** Sound as it is made: `samples` are interleaved 16-bit PCM. */
export interface AudioEvent {
  event: "audio";
  samples: Int16Array;
  sequence: number;
  take: number;
  sample_rate: number;
  channels: number;
  realtime_factor: number | null;
  buffer_seconds: number;
}

/** Something to know although the work goes on. */
export interface WarningEvent {
  event: "warning";
  code: string;
  message: string;
}

/** One of several takes. */
export interface Take {
  seed: number;
  blob: Blob;
  stems: Record<string, Blob>;
  /** Where the model has written any. */
  lyrics?: string;
}

/** The last event: the complete file, and its stems where the model makes any. */
export interface CompletedEvent {
  event: "completed";
  blob: Blob;
  stems: Record<string, Blob>;
  /** Where the model has written any. */
  lyrics?: string;
  /** All takes, the first being `blob`, if more than one was asked for. */
  takes?: Take[];
  format: Format;
  job_id: string;
  model: string;
  seed: number;
  sample_rate: number;
  channels: number;
  duration: number;
}

export type GenerationEvent =
  QueuedEvent | StartEvent | ProgressEvent | AudioEvent | WarningEvent | CompletedEvent;

/**
 * Has every request to the server at `url` carry `key`, for a server that asks for keys; null takes
 * it back. Everybody who can read the page's script or its storage can read the key.
 */
export function setApiKey(url: string, key: string | null): void;

export interface Options {
  signal?: AbortSignal;
}

/**
 * Makes music, and gives the events as they come, the last one being `completed`. `url` is the
 * server's address, "" for the page's own. Leaving the loop, or aborting `signal`, ends the work.
 *
 * Throws a `ContinuoError`, or `signal.reason` when aborted.
 */
export function generate(
  url: string,
  params: GenerateParams,
  options?: Options,
): AsyncGenerator<GenerationEvent, void, undefined>;

/** A job as `/api/v1/jobs` has it. */
export interface Job {
  id: string;
  state: "queued" | "running" | "completed" | "failed" | "cancelled";
  dialect: string;
  model: string;
  request: Record<string, unknown>;
  seed: number;
  progress: number;
  /** In the queue of its model; 1 is next. */
  position: number | null;
  /** How often it was begun; above 1 after a restart of the server. */
  attempt: number;
  sample_rate: number;
  channels: number;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  expires_at: string | null;
  error: { code: string; message: string } | null;
  warnings: { code: string; message: string }[];
  /** `txt` is what the model has written, such as lyrics. */
  files: { take: number; seed: number; stem: string | null; format: Format | "txt"; url: string }[];
  /** It failed, and `files` hold what was made before that. */
  partial: boolean;
  events_url: string;
  audio_url: string;
}

/** The job is made anew after the server was restarted: drop the sound that came before. */
export interface RestartedEvent {
  event: "restarted";
}

/** The last event of a job: its file, in the format that was asked for, and its stems. */
export interface JobCompletedEvent {
  event: "completed";
  job: Job;
  blob: Blob;
  stems: Record<string, Blob>;
}

export type JobEvent =
  | QueuedEvent
  | StartEvent
  | ProgressEvent
  | AudioEvent
  | WarningEvent
  | RestartedEvent
  | JobCompletedEvent;

/**
 * Has the server store a wish: it is made whether or not anybody stays to hear it. The same sent
 * again with the same `key` is the same job.
 */
export function submitJob(
  url: string,
  params: GenerateParams,
  options?: Options & { key?: string },
): Promise<Job>;

/** Ends a job that has not ended, and gives it as it is then. */
export function cancelJob(url: string, id: string, options?: Options): Promise<Job>;

/** The sound of a completed job; `format` is its own if left out. */
export function jobAudio(
  url: string,
  id: string,
  options?: Options & { format?: Format },
): Promise<Blob>;

/**
 * The events of a job from its beginning; a broken connection is taken up again where it broke.
 * Leaving the loop, or aborting `signal`, ends nothing on the server.
 */
export function followJob(
  url: string,
  id: string,
  options?: Options,
): AsyncGenerator<JobEvent, void, undefined>;

export interface Control {
  name: string;
  kind: "number" | "integer" | "choice" | "switch";
  help: string;
  minimum: number | null;
  maximum: number | null;
  /** Null where the model decides by the prompt. */
  default: number | string | null;
  choices: string[];
}

export interface Model {
  name: string;
  description: string;
  default: boolean;
  available: boolean;
  reason: string;
  remedy: string;
  phase: string;
  activity: string;
  slots: number;
  request_memory_bytes: number;
  abilities: string[];
  controls: Control[];
  sample_rate: number;
  channels: number;
  limits: {
    duration: { minimum: number; maximum: number; default: number };
    prompt_characters: number;
  };
  formats: Format[];
  licence: { code: string; weights: string };
}

/** The models of a server, available or not. */
export function listModels(url: string, options?: Options): Promise<Model[]>;

export interface ErrorDetails {
  code?: string;
  status?: number;
  cause?: unknown;
}

/** The root of all errors; `code` is for programs, `status` 0 where HTTP was not the trouble. */
export class ContinuoError extends Error {
  constructor(message: string, details?: ErrorDetails);
  readonly code: string;
  readonly status: number;
}

/** The request cannot be met as it stands; `field` is the one to change. */
export class BadRequest extends ContinuoError {
  constructor(message: string, details?: ErrorDetails & { field?: string | null });
  readonly field: string | null;
}

/** Not now; `retryAfterSeconds` is null where waiting would not help. */
export class Busy extends ContinuoError {
  constructor(message: string, details?: ErrorDetails & { retryAfterSeconds?: number | null });
  readonly retryAfterSeconds: number | null;
}

/** The server asks for a key: none was set, or a wrong one. */
export class KeyRefused extends ContinuoError {}
/** Nobody answers. */
export class NotReachable extends ContinuoError {}
/** The stream broke or ended early. */
export class ConnectionLost extends ContinuoError {}
/** The server began and could not finish. */
export class GenerationFailed extends ContinuoError {}
/** What answers does not speak the dialect. */
export class UnexpectedAnswer extends ContinuoError {}

export type PlayerState = "paused" | "waiting" | "playing" | "blocked" | "ended";

/** Gapless playback of one piece, from the events of `generate` or from a WAV file. */
export class Player extends EventTarget {
  /** `sampleRate`, if known beforehand, lets `play` unlock the sound before the music comes. */
  constructor(options?: { sampleRate?: number; context?: AudioContext });
  feed(event: GenerationEvent | JobEvent): void;
  /** No more sound will come: what is there is the whole piece. */
  end(): void;
  /** A whole piece: a WAV file of 16-bit PCM. Rejects with a RangeError if it is none. */
  load(blob: Blob): Promise<void>;
  play(): void;
  pause(): void;
  seek(seconds: number): void;
  close(): void;
  readonly state: PlayerState;
  readonly positionSeconds: number;
  readonly bufferedSeconds: number;
  readonly durationSeconds: number;
  loop: boolean;
  /** 0 to 1. */
  volume: number;
  /** The node that carries the sound; null before the sound is known. */
  readonly output: AudioNode | null;
  addEventListener(
    type: "statechange" | "ready",
    listener: (event: Event) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
