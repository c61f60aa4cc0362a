"""The words that mean a genre, in English and Chinese: those that name it, those that hint at it.

How terms are written is told in `vocabulary.py`.
"""

from __future__ import annotations

GENRE_WORDS: dict[str, str] = {
    "lofi": (
        "lofi hip hop|lo-fi hip hop|lo-fi hip-hop|lofi beats|lo-fi|lofi|lo fi|chillhop|study beat"
        "|study music|低保真|学习音乐"
    ),
    "house": (
        "uk garage|garage house|2-step|progressive house|electro house|electro swing|house"
        "|deep house|edm|electro|electronic|electronica|electronic dance music|dance music|dance"
        "|club|浩室|电子音乐|电子舞曲|电子乐|电音|舞曲|电子"
    ),
    "techno": (
        "hardstyle|hardcore techno|gabber|hard techno|techno|acid techno|industrial|rave"
        "|minimal techno|科技舞曲|铁克诺|工业"
    ),
    "trance": "trance|psytrance|eurodance|uplifting trance|迷幻舞曲|出神",
    "drum and bass": (
        "dubstep|future bass|neurofunk|回响贝斯|drum and bass|drum & bass|drum'n'bass|drum n bass"
        "|drum 'n' bass|dnb|d&b|jungle|breakbeat|liquid dnb|鼓打贝斯|丛林舞曲|碎拍"
    ),
    "disco": "disco|nu disco|迪斯科|迪斯可",
    "ambient": (
        "ambient|drone|soundscape|new age|meditation|meditative|yoga|spa|sleep|氛围音乐|氛围"
        "|环境音乐|冥想|瑜伽|助眠|睡眠"
    ),
    "synthwave": (
        "synthwave|synth wave|retrowave|vaporwave|outrun|cyberpunk|synth pop|synthpop|new wave"
        "|80s|1980s|eighties|合成器浪潮|赛博朋克|蒸汽波|八十年代|80年代|复古电子"
    ),
    "chiptune": (
        "chiptune|chip tune|8-bit|8 bit|8bit|16-bit|video game|retro game|arcade|nes|芯片音乐"
        "|像素|电子游戏|游戏音乐|八位机"
    ),
    "hip hop": "hip hop|hip-hop|hiphop|boom bap|rap|rap beat|old school rap|嘻哈|说唱",
    "trap": "trap|drill|phonk|陷阱",
    "funk": "gospel|neo soul|neo-soul|福音|funk|funky|soul|motown|r&b|rnb|放克|灵魂乐|节奏布鲁斯",
    "jazz": (
        "jazz|jazzy|swing|bebop|be-bop|big band|smooth jazz|jazz trio|lounge|爵士乐|爵士|摇摆乐"
    ),
    "blues": "blues|bluesy|delta blues|蓝调|布鲁斯",
    "bossa nova": "bossa nova|bossa|bossanova|samba|brazilian|波萨诺瓦|巴萨诺瓦|桑巴|巴西",
    "rock": (
        "rock|rock ballad|pop rock|rock and roll|rock 'n' roll|punk|punk rock|grunge|alternative"
        "|indie rock|hard rock|garage rock|摇滚乐|摇滚|朋克"
    ),
    "metal": "metal|heavy metal|thrash|death metal|metalcore|djent|金属乐|重金属|金属",
    "pop": (
        "anime|christmas|nursery rhyme|children's song|mandopop|c-pop|动漫|儿歌|圣诞|pop|pop song"
        "|k-pop|kpop|j-pop|jpop|ballad|indie pop|流行乐|流行音乐|流行|抒情歌"
    ),
    "folk": (
        "folk|folky|country|bluegrass|americana|celtic|irish|singer-songwriter|campfire|民谣"
        "|乡村音乐|乡村|凯尔特|爱尔兰"
    ),
    "afrobeat": "afrobeat|afrobeats|afro beat|afro|african|highlife|amapiano|非洲节拍|非洲",
    "reggae": "reggae|dub|ska|dancehall|jamaican|roots reggae|雷鬼|雷盖|牙买加",
    "salsa": (
        "tango|flamenco|merengue|reggaeton|探戈|弗拉门戈|salsa|latin|mambo|cumbia|cuban"
        "|latin jazz|萨尔萨|拉丁|古巴"
    ),
    "guofeng": (
        "guofeng|chinese|traditional chinese|oriental|wuxia|xianxia|古风|国风|中国风|中国传统"
        "|民乐|武侠|仙侠|江南|戏曲"
    ),
    "classical piano": (
        "lullaby|impressionist|摇篮曲|classical piano|classical|piano sonata|sonata|baroque"
        "|mozart|nocturne|chopin|etude|古典钢琴|古典音乐|古典|奏鸣曲|巴洛克|夜曲"
    ),
    "waltz": "waltz|musette|viennese|圆舞曲|华尔兹",
    "cinematic": (
        "opera|anthem|歌剧|cinematic|orchestral|orchestra|symphonic|symphony|film score|movie"
        "|soundtrack|trailer|epic|score|hollywood|电影配乐|电影|管弦乐|交响乐|交响|史诗|配乐"
        "|预告片"
    ),
}

#: Words that only hint at a genre: they count where no genre is named.
HINT_WORDS: dict[str, str] = {
    "lofi": (
        "podcast|vlog|播客|study|studying|coffee|cozy|cosy|homework|rainy day|bedroom|咖啡|学习"
        "|雨天|下雨"
    ),
    "house": "workout|gym|running|健身|跑步|party|beach club|fashion|派对|夜店|蹦迪",
    "techno": "warehouse|berlin|underground|仓库|地下",
    "ambient": (
        "space|cosmic|underwater|galaxy|dreamscape|stars|ocean|太空|宇宙|星空|海洋|梦境|星际"
    ),
    "synthwave": "neon|night drive|retro|synth|synthesizer|nostalgic 80s|霓虹|合成器|复古|夜驾",
    "chiptune": "game|pixel|mario|游戏",
    "jazz": "cocktail|speakeasy|noir|detective|酒吧|侦探",
    "bossa nova": "rio|beach bar|cafe|café|咖啡馆|海滩",
    "rock": "stadium|garage|体育场|乐队",
    "metal": "demon|brutal|hell|地狱|恶魔",
    "pop": (
        "corporate|presentation|commercial|advert|kids|广告|宣传片|summer|love song|radio"
        "|happy birthday|夏天|情歌|生日"
    ),
    "folk": "countryside|mountain|village|cowboy|journey|forest|乡间|山村|牛仔|森林|田园",
    "reggae": "island|tropical|beach|海岛|热带|沙滩",
    "guofeng": "bamboo|temple|dynasty|tea|dragon dance|竹林|寺|茶|山水|长城|春节",
    "classical piano": "wedding|elegant dinner|recital|婚礼|演奏会",
    "waltz": "ballroom|carousel|paris|舞会|巴黎",
    "cinematic": (
        "battle|war|hero|heroic|adventure|victory|suspense|thriller|horror|documentary|fantasy"
        "|战斗|战争|英雄|冒险|胜利|悬疑|恐怖|纪录片|奇幻"
    ),
}
