"""The words that mean instruments, moods and tempi, in English and Chinese.

A word is one or several terms separated by `|`; English ones are matched as whole words (a plural
`s` allowed), Chinese ones wherever they stand; of overlapping words the longest counts.
"""

from __future__ import annotations

from dataclasses import dataclass

INSTRUMENT_WORDS: dict[str, str] = {
    "piano": "piano|grand piano|钢琴",
    "felt_piano": "felt piano|soft piano|毛毡钢琴",
    "electric_piano": "electric piano|rhodes|e-piano|keys|wurlitzer|电钢琴|电钢",
    "organ": "organ|hammond|church organ|管风琴|风琴",
    "harpsichord": "harpsichord|羽管键琴|大键琴",
    "clavinet": "clavinet|clav",
    "accordion": "accordion|手风琴",
    "music_box": "music box|八音盒|音乐盒",
    "bells": "bell|chime|glockenspiel|celesta|铃铛|钟声|钟琴|铃",
    "vibraphone": "vibraphone|vibes|颤音琴",
    "marimba": "marimba|xylophone|马林巴|木琴",
    "kalimba": "kalimba|卡林巴|拇指琴",
    "acoustic_guitar": "acoustic guitar|guitar|steel guitar|木吉他|原声吉他|吉他|吉它",
    "nylon_guitar": (
        "nylon guitar|classical guitar|spanish guitar|flamenco guitar|古典吉他|尼龙吉他"
    ),
    "electric_guitar": "electric guitar|clean guitar|电吉他",
    "distorted_guitar": (
        "distorted guitar|distortion guitar|heavy guitar|overdriven guitar|guitar riff"
        "|power chord|失真吉他|失真电吉他"
    ),
    "lead_guitar": "guitar solo|lead guitar|吉他独奏|主音吉他|吉他solo",
    "banjo": "banjo|班卓琴",
    "ukulele": "ukulele|尤克里里",
    "harp": "harp|竖琴",
    "guzheng": "guzheng|koto|zither|guqin|古筝|古琴|筝",
    "pipa": "pipa|琵琶",
    "erhu": "erhu|二胡",
    "dizi": "dizi|bamboo flute|xiao|shakuhachi|笛子|竹笛|箫|笛",
    "sitar": "sitar|西塔琴",
    "electric_bass": "bass guitar|electric bass|fretless bass|电贝斯|电贝司|贝斯吉他",
    "upright_bass": "upright bass|double bass|contrabass|低音提琴|倍大提琴|立式贝斯",
    "slap_bass": "slap bass|拍弦贝斯",
    "808_bass": "808|808 bass|sub bass|超低音",
    "acid_bass": "acid bass|acid|303|tb-303|酸性",
    "synth_bass": "synth bass|合成贝斯|合成器贝斯",
    "strings": "string|string section|string orchestra|弦乐",
    "pizzicato": "pizzicato|拨弦|拨奏",
    "choir": "choir|chorus of voices|choral|合唱团|合唱|唱诗班",
    "warm_pad": "pad|synth pad|warm pad|铺底",
    "super_saw": "supersaw|super saw|超级锯齿",
    "pluck_synth": "pluck|synth pluck|arpeggio|arpeggiator|arp|琶音",
    "brass": "brass|brass section|horn section|铜管",
    "horns": "french horn|horn|圆号|号角",
    "low_brass": "trombone|tuba|长号|大号",
    "flute": "flute|长笛",
    "clarinet": "woodwind|wind instrument|木管|管乐|clarinet|单簧管|黑管",
    "oboe": "oboe|双簧管",
    "saxophone": "saxophone|sax|萨克斯|萨克斯风",
    "trumpet": "trumpet|小号",
    "muted_trumpet": "muted trumpet|弱音小号",
    "harmonica": "harmonica|口琴",
    "violin": "violin|fiddle|小提琴",
    "cello": "cello|大提琴",
    "voice": "humming|vocal|vocals|voice|singing|ooh|aah|人声|哼唱|歌声|吟唱",
    "saw_lead": "synth lead|saw lead|lead synth|synthesizer lead|主音合成器",
    "square_lead": "square lead|square wave|方波",
}

#: Buses and parts that can be asked for or ruled out as a whole.
BUS_WORDS: dict[str, str] = {
    "drums": (
        "drum|percussion|beat|kick|snare|hi-hat|drumbeat|drummer|rhythm section|鼓点|鼓声|鼓"
        "|打击乐|节拍"
    ),
    "bass": "bass|bassline|bass line|贝斯|低音",
    "melody": "melody|lead|lead melody|tune|solo line|旋律|主旋律",
    "pad": "background pad",
}

TEXTURE_WORDS: dict[str, str] = {
    "rain": "rain|raining|rainfall|rainy|raindrop|雨声|下雨|雨天|雨",
    "vinyl": "vinyl|vinyl crackle|crackle|record noise|黑胶|唱片噪音",
    "waves": "wave|ocean wave|sea|seaside|surf|海浪|海边|浪",
    "wind": "wind|windy|风声",
    "fire": "fire|fireplace|campfire|篝火|壁炉|火焰",
}

SOLO_WORDS = "solo|only|alone|unaccompanied|a cappella|独奏|只有|只要|仅有|单独"

#: Italian and plain tempo words: beats a minute, or a place within the genre's range.
TEMPO_WORDS: dict[str, str] = {
    "50": "largo|广板",
    "63": "adagio|lento|柔板",
    "76": "andante|行板",
    "108": "moderato|中板",
    "132": "allegro|快板",
    "156": "vivace",
    "180": "presto|急板",
    "slowest": "very slow|extremely slow|super slow|很慢|非常慢|极慢",
    "slow": "slow|slowly|downtempo|down-tempo|slow tempo|unhurried|慢速|缓慢|慢板|慢节奏|舒缓|慢",
    "middle": "mid-tempo|midtempo|medium tempo|moderate tempo|中速|适中",
    "fast": (
        "fast|fast-paced|quick|up-tempo|uptempo|upbeat|rapid|driving|快速|快节奏|欢快|轻快|急促|快"
    ),
    "fastest": "very fast|extremely fast|super fast|frantic|breakneck|很快|非常快|极快|飞快",
}

MODE_WORDS: dict[str, str] = {
    "major": "major key|in major|大调",
    "minor": "minor key|in minor|小调",
}


@dataclass(frozen=True)
class Mood:
    """What a mood does: shifts of energy, brightness and density (-0.5 to 0.5), a mode."""

    words: str
    energy: float = 0.0
    brightness: float = 0.0
    density: float = 0.0
    mode: str = ""


MOODS: dict[str, Mood] = {
    "happy": Mood(
        "happy|cheerful|joyful|joyous|fun|playful|uplifting|sunny|bright and happy|optimistic"
        "|positive|欢乐|快乐|开心|愉快|欢快|轻松愉快|阳光|喜庆|活泼",
        energy=0.15,
        brightness=0.12,
        density=0.08,
        mode="major",
    ),
    "sad": Mood(
        "sad|melancholy|melancholic|sorrowful|lonely|heartbroken|tearful|mournful|wistful|悲伤"
        "|忧伤|伤感|孤独|忧郁|难过|哀伤|凄凉",
        energy=-0.2,
        brightness=-0.12,
        density=-0.1,
        mode="minor",
    ),
    "dark": Mood(
        "dark|darker|gloomy|ominous|sinister|moody|spooky|haunting|黑暗|阴暗|暗黑|阴森|诡异|低沉",
        brightness=-0.3,
        mode="minor",
    ),
    "bright": Mood(
        "bright|brighter|crisp|sparkling|shiny|shimmering|明亮|清脆|闪亮|清亮",
        brightness=0.3,
    ),
    "warm": Mood(
        "warm|mellow|muffled|soft sounding|温暖|柔和|醇厚",
        energy=-0.05,
        brightness=-0.18,
    ),
    "calm": Mood(
        "calm|relaxing|relaxed|chill|peaceful|gentle|quiet|soft|soothing|tranquil|serene"
        "|laid-back|laid back|delicate|平静|放松|宁静|安静|轻柔|温柔|舒缓|恬静|治愈|悠闲",
        energy=-0.25,
        brightness=-0.08,
        density=-0.15,
    ),
    "energetic": Mood(
        "energetic|energy|powerful|intense|strong|hard|heavy|aggressive|driving|pumping"
        "|exciting|wild|strong beat|强烈|有力|激烈|充满活力|动感|劲爆|激昂|热血|活力|节奏感"
        "|猛烈|燃",
        energy=0.3,
        brightness=0.06,
        density=0.12,
    ),
    "epic": Mood(
        "epic|grand|majestic|heroic|triumphant|massive|宏大|壮丽|磅礴|恢弘|壮阔|气势",
        energy=0.3,
        brightness=0.05,
        density=0.1,
    ),
    "tense": Mood(
        "tense|suspenseful|anxious|nervous|dramatic|紧张|悬疑|戏剧性",
        energy=0.1,
        brightness=-0.1,
        density=0.05,
        mode="minor",
    ),
    "romantic": Mood(
        "romantic|love|tender|sensual|intimate|浪漫|爱情|深情|温情",
        energy=-0.12,
        brightness=-0.05,
        density=-0.05,
    ),
    "dreamy": Mood(
        "dreamy|ethereal|floating|hazy|dreamlike|surreal|梦幻|空灵|飘渺|朦胧",
        energy=-0.2,
        density=-0.1,
    ),
    "mysterious": Mood(
        "mysterious|mystical|enigmatic|eerie|神秘|玄幻",
        energy=-0.1,
        brightness=-0.12,
        density=-0.08,
        mode="minor",
    ),
    "nostalgic": Mood(
        "nostalgic|nostalgia|wistful|vintage|怀旧|怀念|回忆",
        energy=-0.1,
        brightness=-0.12,
    ),
    "groovy": Mood(
        "groovy|groove|bouncy|danceable|律动|摇摆",
        energy=0.12,
        density=0.1,
    ),
    "angry": Mood(
        "angry|furious|rage|brutal|愤怒|暴躁|狂暴",
        energy=0.35,
        brightness=0.08,
        density=0.12,
        mode="minor",
    ),
    "sparse": Mood(
        "sparse|minimal|minimalist|minimalistic|simple|sparing|空旷|简单|极简|稀疏|简约",
        density=-0.3,
    ),
    "busy": Mood(
        "busy|dense|complex|intricate|virtuosic|layered|rich|繁复|密集|复杂|丰富|华丽",
        energy=0.05,
        density=0.3,
    ),
}
