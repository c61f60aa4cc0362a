/** Who is heard: one take at a time, the one in the player. */

import { Player } from "/client/continuo.js";

/** `soundOf(id)` gives the file of a take that is no longer being made. */
export function createPlayback(store, soundOf) {
  const players = new Map(); // id → Player

  /** A player for a take that is about to be made. Call it in the click that asks for the take. */
  function expect(id, sampleRate) {
    players.get(id)?.close();
    const player = new Player({ sampleRate });
    adjust(player);
    player.addEventListener("statechange", () => {
      if (store.state.current === id) show();
    });
    players.set(id, player);
    return player;
  }

  function playerOf(id) {
    return players.get(id);
  }

  /** No more of this take will come. */
  function end(id) {
    players.get(id)?.end();
  }

  /** Put a take in the player, in place of the one there. */
  async function select(id) {
    if (store.state.current === id && players.has(id)) return;
    current()?.pause();
    store.set({ current: id });
    const player = players.get(id) ?? (await loaded(id));
    if (!player || store.state.current !== id) return;
    adjust(player);
    show();
  }

  function adjust(player) {
    const { loop, volume } = store.state.player;
    player.loop = loop;
    player.volume = volume;
  }

  async function loaded(id) {
    const player = expect(id, store.state.takes[id].sampleRate);
    const sound = await soundOf(id);
    if (!sound) return null;
    await player.load(sound.file);
    return player;
  }

  async function play(id) {
    await select(id);
    current()?.play();
  }

  function playOrPause() {
    const player = current();
    if (!player) return;
    if (["playing", "waiting"].includes(player.state)) player.pause();
    else player.play();
  }

  /** Silence; the next play begins at the start. */
  function stop() {
    current()?.pause();
    seek(0);
  }

  function seek(seconds) {
    current()?.seek(seconds);
    show();
  }

  function seekBy(seconds) {
    seek((current()?.positionSeconds ?? 0) + seconds);
  }

  function setLoop(loop) {
    if (current()) current().loop = loop;
    store.set({ player: { ...store.state.player, loop } });
  }

  function setVolume(volume) {
    if (current()) current().volume = volume;
    store.set({ player: { ...store.state.player, volume } });
  }

  /** Let go of the sound of all takes but these. */
  function closeExcept(ids) {
    for (const [id, player] of players) {
      if (ids.includes(id)) continue;
      player.close();
      players.delete(id);
    }
    if (!ids.includes(store.state.current)) store.set({ current: null });
  }

  function current() {
    return players.get(store.state.current);
  }

  /** Has the page look again at what the player does, and where it is. */
  function show() {
    const state = current()?.state ?? "paused";
    store.set({ player: { ...store.state.player, state } });
  }

  /** Where the player is, in seconds: { position, buffered, duration }. */
  function place() {
    const player = current();
    if (!player) return { position: 0, buffered: 0, duration: 0 };
    const { positionSeconds, bufferedSeconds, durationSeconds } = player;
    return { position: positionSeconds, buffered: bufferedSeconds, duration: durationSeconds };
  }

  return {
    expect,
    playerOf,
    end,
    select,
    play,
    playOrPause,
    stop,
    seek,
    seekBy,
    setLoop,
    setVolume,
    closeExcept,
    place,
  };
}
