"""The command line: `python -m clients "lofi with rain" --duration 20 --out rain.wav`.

Exit codes: 0 done, 1 failed, 2 the request or the command line is wrong, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast, get_args

from clients.errors import BadRequest, ClientError
from clients.events import Audio, Completed, Event
from clients.music import Music
from clients.request import DEFAULT_SERVER_URL, Fields, Format, Level
from clients.requests_client import MusicGenClient
from clients.timeouts import Timeouts

FAILED = 1
BAD_REQUEST = 2
INTERRUPTED = 130  # 128 + SIGINT, as a shell says it


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"cannot read {path}: {error}") from None


#: Field of the request, its type, its help. Ranges are the server's: it names them in its refusal.
WISHES: tuple[tuple[str, Callable[[str], object], str], ...] = (
    ("duration", int, "length in seconds"),
    ("model", str, "which of the server's models; its default if not given"),
    ("seed", int, "the same seed gives the same music"),
    ("temperature", float, "how adventurous the sampling is"),
    ("top_k", int, "sample among the k likeliest tokens"),
    ("top_p", float, "sample among the likeliest tokens of this joint probability"),
    ("cfg_coef", float, "how closely to follow the description"),
    ("num_takes", int, "so many takes, with seeds that follow one another"),
    ("melody", str, "a sound file whose melody to follow"),
    ("continue_audio", str, "a sound file to go on from"),
    ("lyrics", _text_of, "a file with the lyrics of a song, LRC or plain"),
    ("ref_audio", str, "a sound file of the style; the description must be empty then"),
    ("ref_song", str, "a song of which parts are made anew"),
    ("edit_segments", json.loads, "these parts, pairs of seconds: [[-1, 25], [50, -1]]"),
    ("bpm", int, "tempo in beats per minute"),
    ("scale", str, "key and scale, in the model's words"),
    ("density", float, "how many notes, 0 to 1"),
    ("brightness", float, "how bright the sound, 0 to 1"),
    ("music_generation_mode", str, "what Lyria favours: QUALITY, DIVERSITY or VOCALIZATION"),
    ("prompts", json.loads, 'more prompts: [{"text": "rain", "weight": 0.5}]'),
)
METAVARS: dict[object, str] = {
    int: "N",
    float: "X",
    str: "TEXT",
    _text_of: "FILE",
    json.loads: "JSON",
}
SWITCHES: tuple[tuple[str, str], ...] = (
    ("stream_audio", "have the sound sent while it is made, and time the first of it"),
    ("whole_decoding", "decode the sound at once, where the model can"),
    ("stems", "save the parts too, where the model has them"),
    ("mute_bass", "leave out the bass, where the model can"),
    ("mute_drums", "leave out the drums, where the model can"),
    ("only_bass_and_drums", "leave out everything else, where the model can"),
    ("mbd", "decode with multi-band diffusion, where the model has it"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        music = generate(options)
    except KeyboardInterrupt:
        return _say("stopped: the connection is closed and the server drops the work", INTERRUPTED)
    except BadRequest as error:
        return _say(f"error: {error}", BAD_REQUEST)
    except BrokenPipeError:  # whoever read our JSON lines went away
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ClientError, OSError) as error:
        return _say(f"error: {error}", FAILED)
    if not options.json:
        print(summary(music))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Every option of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m clients", description="Make music on a Continuo server and save it."
    )
    parser.add_argument("description", help='the music, in words: "lofi with rain"')
    parser.add_argument(
        "--server",
        metavar="URL",
        default=os.environ.get("CONTINUO_SERVER") or DEFAULT_SERVER_URL,
        help="default: $CONTINUO_SERVER, here %(default)s",
    )
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        default=os.environ.get("CONTINUO_API_KEY"),
        help="if the server asks for one; default: $CONTINUO_API_KEY, which other users cannot see",
    )
    parser.add_argument("--out", metavar="PATH", help="file or directory; default: output/")
    parser.add_argument(
        "--retries", type=int, default=0, help="how often to ask a busy server again"
    )
    parser.add_argument(
        "--read-timeout",
        type=_seconds,
        default=Timeouts().read_seconds,
        metavar="SECONDS",
        help="longest silence of the server; default: %(default)g",
    )
    parser.add_argument("--json", action="store_true", help="print each event as a line of JSON")
    _add_wishes(parser.add_argument_group("wishes", "what is not given is left to the model"))
    return parser


def _add_wishes(group: argparse._ArgumentGroup) -> None:
    formats = get_args(Format)
    group.add_argument("--format", choices=formats, help="default: as --out says, else wav")
    group.add_argument("--normalize", choices=get_args(Level), help="level of the finished sound")
    for name, kind, text in WISHES:
        group.add_argument(_flag(name), type=kind, metavar=METAVARS[kind], help=text)
    for name, text in SWITCHES:
        group.add_argument(_flag(name), action="store_true", default=None, help=text)


def generate(options: argparse.Namespace) -> Music:
    """Make the music that the command line asks for."""
    client = MusicGenClient(
        options.server,
        api_key=options.api_key,
        retries=options.retries,
        timeouts=Timeouts(read_seconds=options.read_timeout),
    )
    wishes = cast(Fields, {name: getattr(options, name) for name in Fields.__annotations__})
    music = client.generate_music(
        options.description,
        out=options.out,
        on_event=print_json if options.json else None,
        show_progress=False if options.json else None,
        **wishes,
    )
    if options.json:
        takes = [str(path) for path in music.takes]
        _print_line({"event": "saved", "path": str(music.path), "takes": takes})
    return music


def print_json(event: Event) -> None:
    """An event as one line of JSON: what the server sent, with the sound's size for the sound."""
    line = dict(event.wire)
    if isinstance(event, Audio):
        line["num_bytes"] = len(event.pcm)
    elif isinstance(event, Completed):
        line["num_bytes"] = len(event.audio)
    _print_line(line)


def summary(music: Music) -> str:
    """One line: where the files are, how long the music, how fast it came, how to get it again."""
    facts = [f"made in {music.elapsed_seconds:.1f} s"]
    if music.duration_seconds is not None:
        facts.insert(0, f"{music.duration_seconds:g} s of music")
    if music.first_sound_seconds is not None:
        facts.append(f"first sound after {music.first_sound_seconds:.2f} s")
    if music.seed is not None:
        facts.append(f"seed {music.seed}")
    if music.model is not None:
        facts.append(f"model {music.model}")
    paths = ", ".join(map(str, music.takes))
    return f"{paths}: {', '.join(facts)}"


def _print_line(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)  # a program on the other end of a pipe wants it now


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be more than 0 seconds; got {text}")
    return seconds


def _say(message: str, exit_code: int) -> int:
    print(message, file=sys.stderr)
    return exit_code


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


if __name__ == "__main__":
    sys.exit(main())
