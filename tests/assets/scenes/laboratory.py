"""The seed laboratory and three of its instruments' nameplates."""

import random

from tests.assets.scenes.canvas import Box, Canvas, Colour, darker, lighter, mix
from tests.assets.scenes.things import lamp, room, sign

WHITE: Colour = (236, 240, 242)
BENCH: Colour = (70, 92, 112)


def laboratory() -> Canvas:
    """A bench along the far wall with the instruments, cabinets left, oven and germination cabinet right."""
    c = Canvas()
    room(c, (210, 150, 1390, 640), wall=(222, 230, 232), floor=(198, 206, 208), ceiling=(240, 243, 244))
    for shift in (0, 420, 840):
        lamp(c, (330 + shift, 96), (520 + shift, 96), 9)
    _window(c, (560, 186, 850, 380))
    sign(c, (1010, 180, 1230, 232), "种子检验室")
    _poster(c, (300, 190, 430, 372), "检验流程", ["扦样", "净度", "发芽率", "水分", "纯度"])
    _poster(c, (448, 190, 536, 320), "制度", ["责任", "安全", "记录"])
    _shelf(c)
    _bench(c)
    _workbench(c, (330, 410, 520, 546))
    _balance(c, (590, 440, 700, 546))
    _microscope(c, 800, 546, 1.0)
    _divider(c, 930, 546)
    _cabinet(c, (1150, 330, 1300, 640), "发芽箱", (226, 234, 236), glass=True)
    _cabinet(c, (1316, 380, 1460, 690), "烘箱", (206, 214, 220), glass=False)
    _stool(c, 470, 790)
    _stool(c, 760, 770)
    for x, name in ((425, "净度分析台"), (645, "电子天平"), (800, "生物显微镜"), (930, "分样器")):
        sign(c, (x - 58, 562, x + 58, 590), name, (236, 242, 246), (24, 60, 92))
    return c


def _window(c: Canvas, box: Box) -> None:
    x0, y0, x1, y1 = box
    c.rect((x0 - 10, y0 - 10, x1 + 10, y1 + 10), (250, 251, 251))
    c.fade(box, (150, 198, 232), (214, 232, 226))
    for index in range(7):
        c.mound(
            (x0 + 36 + index * 36, y1), 36 + index % 3 * 9, mix((92, 142, 88), (150, 186, 130), index % 3 / 3)
        )
    c.rect((x0 - 10, y1, x1 + 10, y1 + 14), (240, 242, 242))
    for x in ((x0 * 2 + x1) / 3, (x0 + x1 * 2) / 3):
        c.rect((x - 4, y0, x + 4, y1), (250, 251, 251))
    c.shadow(
        [(x0, y1 + 30), (x1, y1 + 30), (x1 + 160, 860), (x0 + 40, 860)], blur=40, strength=0.25, light=True
    )


def _poster(c: Canvas, box: Box, title: str, rows: list[str]) -> None:
    x0, y0, x1, y1 = box
    c.shade_box((x0 + 3, y0 + 4, x1 + 3, y1 + 4), blur=4, strength=0.25)
    c.rect(box, (250, 252, 252))
    c.rect((x0, y0, x1, y0 + 32), (11, 90, 138))
    c.text(((x0 + x1) / 2, y0 + 16), title, 19, (255, 255, 255))
    step = (y1 - y0 - 40) / len(rows)
    for index, row in enumerate(rows):
        y = y0 + 40 + step * (index + 0.4)
        c.rect((x0 + 12, y - 10, x1 - 12, y + 11), (220, 234, 242), radius=4)
        c.text(((x0 + x1) / 2, y), row, 15, (30, 64, 92))


def _shelf(c: Canvas) -> None:
    rng = random.Random(5)
    c.poly([(0, 250), (150, 290), (150, 660), (0, 800)], (170, 180, 188))
    for level in range(4):
        left, right = 300 + level * 130, 322 + level * 92
        c.poly([(0, left + 86), (150, right + 66), (150, right + 74), (0, left + 98)], (120, 132, 142))
        for index in range(5):
            x = 8 + index * 29
            foot = left + 86 + (right - left - 20) * (x + 10) / 150
            high = 62 - index * 5
            tone = rng.choice([(226, 196, 120), (206, 160, 90), (190, 150, 110), (232, 214, 160)])
            c.fade((x, foot - high, x + 22 - index, foot), lighter(tone, 0.3), darker(tone, 0.1), radius=4)
            c.rect((x, foot - high - 6, x + 22 - index, foot - high + 4), (70, 90, 104), radius=2)
            c.rect((x + 3, foot - high * 0.6, x + 19 - index, foot - high * 0.3), (250, 250, 246))


def _bench(c: Canvas) -> None:
    c.shadow([(250, 700), (1110, 700), (1130, 730), (240, 730)], blur=14, strength=0.5)
    c.fade((270, 560, 1090, 700), lighter(BENCH, 0.08), darker(BENCH, 0.2))
    for x in range(270, 1090, 164):
        c.frame((x + 6, 596, x + 158, 694), lighter(BENCH, 0.3), 2, 3)
        c.rect((x + 66, 606, x + 98, 613), (200, 208, 214), radius=3)
    c.poly([(262, 546), (1098, 546), (1112, 562), (248, 562)], (236, 238, 238))
    c.rect((248, 560, 1112, 594), (208, 212, 214))
    c.line([(248, 562), (1112, 562)], (250, 250, 250), 2)


def _workbench(c: Canvas, box: Box) -> None:
    x0, y0, x1, y1 = box
    c.shade_box((x0, y1 - 6, x1 + 8, y1 + 4), blur=6)
    c.fade((x0, y0, x1, y0 + 26), (250, 251, 252), (214, 222, 226), radius=5)
    c.fade((x0 + 8, y0 + 26, x1 - 8, y1 - 20), (252, 248, 226), (222, 230, 232))
    c.rect((x0, y0 + 20, x0 + 10, y1), (206, 214, 220))
    c.rect((x1 - 10, y0 + 20, x1, y1), (206, 214, 220))
    c.rect((x0, y1 - 22, x1, y1), (196, 206, 212), radius=3)
    c.disc(((x0 + x1) / 2, y0 + 66), 26, (206, 226, 236))
    c.ring(((x0 + x1) / 2, y0 + 66), 28, (70, 84, 96), 5)
    c.line([((x0 + x1) / 2 + 26, y0 + 76), (x1 - 12, y0 + 96)], (70, 84, 96), 5)
    rng = random.Random(2)
    for _ in range(70):
        c.disc((rng.uniform(x0 + 40, x1 - 50), y1 - 22 - abs(rng.gauss(0, 5))), 2.4, (206, 158, 66))


def _balance(c: Canvas, box: Box) -> None:
    x0, y0, x1, y1 = box
    c.shade_box((x0, y1 - 6, x1 + 6, y1 + 4), blur=6)
    c.rect((x0 + 8, y0, x1 - 8, y1 - 28), (214, 230, 238), outline=(150, 166, 176), width=3)
    c.poly([(x0 + 18, y1 - 30), (x0 + 40, y0 + 4), (x0 + 56, y0 + 4), (x0 + 34, y1 - 30)], (238, 246, 250))
    c.disc(((x0 + x1) / 2, y1 - 36), 24, (180, 188, 196), flat=0.25)
    c.rect((x0, y1 - 32, x1, y1), (238, 240, 240), radius=5, outline=(190, 198, 204), width=2)
    c.rect((x0 + 22, y1 - 26, x1 - 22, y1 - 8), (184, 206, 160), radius=2)
    c.text(((x0 + x1) / 2, y1 - 17), "0.0000 g", 13, (28, 40, 24), face="mono")


def _microscope(c: Canvas, x: float, y: float, k: float) -> None:
    dark, pale = (58, 66, 76), (226, 230, 232)
    c.shade_box((x - 44 * k, y - 6, x + 56 * k, y + 4), blur=6)
    c.rect((x - 42 * k, y - 18 * k, x + 44 * k, y), pale, radius=6 * k)
    c.poly(
        [
            (x + 16 * k, y - 16 * k),
            (x + 40 * k, y - 16 * k),
            (x + 44 * k, y - 96 * k),
            (x + 18 * k, y - 122 * k),
        ],
        pale,
    )
    c.rect((x - 36 * k, y - 48 * k, x + 24 * k, y - 39 * k), dark)
    c.poly(
        [
            (x - 20 * k, y - 122 * k),
            (x + 30 * k, y - 122 * k),
            (x + 30 * k, y - 98 * k),
            (x - 14 * k, y - 98 * k),
        ],
        pale,
    )
    for dx, dy in ((-14, 58), (0, 54), (12, 60)):
        c.line([(x + dx * 0.5 * k, y - 96 * k), (x + dx * k, y - dy * k)], (150, 158, 166), 9 * k)
    c.line([(x - 12 * k, y - 122 * k), (x - 50 * k, y - 158 * k)], dark, 16 * k)
    c.line([(x - 44 * k, y - 152 * k), (x - 56 * k, y - 164 * k)], (24, 28, 34), 20 * k)
    c.disc((x + 34 * k, y - 56 * k), 9 * k, dark)


def _divider(c: Canvas, x: float, y: float) -> None:
    c.shade_box((x - 44, y - 6, x + 50, y + 4), blur=6)
    c.poly([(x - 44, y - 140), (x + 44, y - 140), (x + 10, y - 88), (x - 10, y - 88)], (206, 212, 216))
    c.poly([(x - 44, y - 140), (x - 6, y - 140), (x - 4, y - 88), (x - 10, y - 88)], (232, 236, 238))
    c.poly([(x - 10, y - 88), (x + 10, y - 88), (x + 34, y - 40), (x - 34, y - 40)], (184, 192, 198))
    for dx in (-24, 24):
        c.fade((x + dx - 20, y - 36, x + dx + 20, y), (216, 222, 226), (150, 160, 168), across=True, radius=3)


def _cabinet(c: Canvas, box: Box, name: str, colour: Colour, *, glass: bool) -> None:
    x0, y0, x1, y1 = box
    c.block(box, (-26, -16), colour, radius=3)
    inner = (x0 + 16, y0 + 62, x1 - 16, y1 - 26)
    if glass:
        c.fade(inner, (226, 244, 214), (186, 214, 190))
        for level in range(4):
            y = inner[1] + 42 + level * 46
            c.line([(inner[0], y), (inner[2], y)], (140, 154, 150), 3)
            for index in range(5):
                c.disc((inner[0] + 14 + index * 22, y - 7), 8, (120, 172, 84), flat=0.6)
    else:
        c.fade(inner, (150, 162, 172), (112, 124, 136))
        c.rect((inner[0] + 24, inner[1] + 30, inner[2] - 24, inner[1] + 110), (52, 40, 34), radius=6)
    c.frame(inner, darker(colour, 0.3), 3)
    c.rect((x1 - 30, y0 + 180, x1 - 22, y0 + 230), (90, 100, 110), radius=3)
    c.rect((x0 + 14, y0 + 12, x0 + 70, y0 + 34), (28, 34, 40), radius=3)
    c.text((x0 + 42, y0 + 23), "25.0℃" if glass else "130℃", 15, (255, 92, 70), face="mono")
    sign(c, (x1 - 74, y0 + 10, x1 - 8, y0 + 36), name, (11, 90, 138))


def _stool(c: Canvas, x: float, y: float) -> None:
    c.disc((x + 6, y + 6), 50, (150, 156, 158), flat=0.22)
    c.line([(x, y - 80), (x, y - 10)], (150, 158, 166), 9)
    for dx in (-40, -14, 20, 40):
        c.line([(x, y - 20), (x + dx, y + 4)], (110, 118, 126), 6)
    c.disc((x, y - 82), 46, (34, 44, 56), flat=0.3)
    c.disc((x, y - 90), 46, (58, 72, 88), flat=0.3)


def _plate(c: Canvas, box: Box, title: str, rows: list[tuple[str, str]]) -> None:
    """A brushed metal plate with screws, as instruments carry them."""
    x0, y0, x1, y1 = box
    c.shade_box((x0 + 6, y0 + 8, x1 + 8, y1 + 10), blur=10, strength=0.5)
    c.fade(box, (232, 236, 238), (190, 196, 202), radius=10)
    rng = random.Random(len(title))
    for _ in range(240):
        y = rng.uniform(y0 + 6, y1 - 6)
        start = rng.uniform(x0 + 8, x1 - 160)
        tone = rng.randint(196, 240)
        c.line([(start, y), (start + rng.uniform(60, 150), y)], (tone, tone + 2, tone + 4), 0.6)
    c.frame((x0 + 12, y0 + 12, x1 - 12, y1 - 12), (70, 84, 96), 3, 6)
    c.rect((x0 + 12, y0 + 12, x1 - 12, y0 + 92), (20, 66, 108), radius=5)
    c.text(((x0 + x1) / 2, y0 + 52), title, 46, (250, 252, 253))
    step = (y1 - y0 - 138) / len(rows)
    for index, (label, value) in enumerate(rows):
        y = y0 + 104 + step * (index + 0.5)
        c.text((x0 + 48, y), label, 30, (50, 62, 74), anchor="lm")
        c.text((x0 + 222, y), value, 32, (14, 20, 28), anchor="lm")
        c.line([(x0 + 212, y + 23), (x1 - 40, y + 23)], (120, 132, 142), 1.5)
    for x, y in ((x0 + 26, y0 + 26), (x1 - 26, y0 + 26), (x0 + 26, y1 - 26), (x1 - 26, y1 - 26)):
        c.disc((x, y), 10, (148, 156, 164))
        c.disc((x - 1, y - 1), 8, (222, 226, 230))
        c.line([(x - 6, y + 3), (x + 6, y - 3)], (90, 98, 106), 2.5)


def purity() -> Canvas:
    """Nameplate of the purity workbench, on its white housing under the lit glass."""
    c = Canvas()
    c.fade((0, 0, 1600, 900), (244, 247, 248), (214, 222, 226))
    c.fade((0, 0, 1600, 132), (255, 250, 226), (238, 240, 232))
    c.shadow([(0, 0), (1600, 0), (1600, 70), (0, 70)], blur=30, strength=0.8, light=True)
    c.rect((0, 128, 1600, 146), (150, 162, 172))
    rng = random.Random(4)
    for _ in range(260):
        x, y = rng.uniform(200, 1400), 118 - abs(rng.gauss(0, 14))
        c.disc((x, y), rng.uniform(4, 7), mix((214, 166, 70), (150, 100, 40), rng.random() * 0.6), flat=0.8)
    _buttons(c, (1300, 300))
    rows = [
        ("型    号", "JDT-1 型"),
        ("照    度", "≥ 2000 lx"),
        ("电    源", "220 V  50 Hz"),
        ("出厂编号", "2405-0186"),
        ("出厂日期", "2024 年 5 月"),
    ]
    _plate(c, (330, 220, 1190, 690), "种子净度分析台", rows)
    c.fade((0, 770, 1600, 900), (206, 212, 216), (176, 184, 190))
    c.line([(0, 770), (1600, 770)], (250, 250, 250), 4)
    return c


def _buttons(c: Canvas, at: tuple[float, float]) -> None:
    x, y = at
    c.rect((x - 60, y - 70, x + 60, y + 250), (222, 228, 232), radius=12, outline=(176, 186, 194), width=2)
    for index, (colour, word) in enumerate(
        (((64, 170, 92), "电源"), ((240, 196, 70), "照明"), ((206, 70, 58), "停止"))
    ):
        c.disc((x, y - 24 + index * 100), 26, darker(colour, 0.3))
        c.disc((x - 2, y - 27 + index * 100), 24, colour)
        c.disc((x - 8, y - 34 + index * 100), 7, lighter(colour, 0.6))
        c.text((x, y + 16 + index * 100), word, 18, (60, 72, 84))


def balance() -> Canvas:
    """Nameplate of the electronic balance below its display."""
    c = Canvas()
    c.fade((0, 0, 1600, 900), (226, 232, 236), (196, 204, 210))
    c.fade((200, 0, 1400, 96), (206, 226, 236), (232, 242, 246))
    c.disc((800, 92), 300, (150, 160, 168), flat=0.14)
    c.disc((800, 84), 300, (206, 212, 218), flat=0.14)
    c.fade((150, 112, 1450, 860), (248, 249, 249), (222, 228, 230), radius=40)
    c.frame((150, 112, 1450, 860), (176, 186, 194), 3, 40)
    c.fade((420, 140, 1180, 262), (168, 196, 140), (196, 216, 164), radius=12)
    c.frame((420, 140, 1180, 262), (70, 84, 70), 6, 12)
    c.text((1100, 194), "0.0000 g", 80, (24, 38, 22), face="mono", anchor="rm")
    c.text((452, 164), "● 稳定", 22, (40, 64, 36), anchor="lm")
    rows = [
        ("型    号", "FA2204"),
        ("最大称量", "220 g"),
        ("分 度 值", "0.0001 g"),
        ("出厂编号", "FA24-30517"),
        ("检定有效", "至 2027 年 4 月"),
    ]
    _plate(c, (360, 300, 1240, 760), "电子天平", rows)
    for x, word in ((260, "去皮"), (1340, "开关")):
        c.shade_box((x - 44, 450, x + 48, 530), blur=6)
        c.fade((x - 48, 440, x + 48, 524), (96, 132, 164), (58, 92, 124), radius=14)
        c.text((x, 482), word, 28, (255, 255, 255))
    return c


def microscope() -> Canvas:
    """Nameplate on the foot of the microscope, the objectives above it."""
    c = Canvas()
    c.fade((0, 0, 1600, 900), (188, 204, 212), (150, 166, 176))
    c.shadow([(900, 0), (1600, 0), (1600, 700), (1200, 900)], blur=90, strength=0.35, light=True)
    c.fade((300, -20, 1300, 70), (236, 239, 241), (206, 212, 216), radius=20)
    for index, (x, colour) in enumerate(
        ((560, (206, 70, 58)), (800, (240, 196, 70)), (1040, (70, 140, 206)))
    ):
        long = (90, 124, 104)[index]
        c.fade((x - 58, 60, x + 58, 60 + long * 0.6), (214, 220, 224), (140, 150, 158), across=True, radius=6)
        c.fade(
            (x - 44, 60 + long * 0.6, x + 44, 60 + long),
            (196, 202, 208),
            (120, 130, 138),
            across=True,
            radius=6,
        )
        c.rect((x - 58, 84, x + 58, 92), colour)
    c.shade_box((220, 212, 1390, 236), blur=14)
    c.fade((220, 196, 1380, 224), (62, 70, 80), (36, 42, 50), radius=6)
    c.fade((200, 250, 1400, 900), (238, 241, 243), (204, 210, 216), radius=50)
    c.frame((200, 250, 1400, 900), (166, 176, 184), 3, 50)
    rows = [
        ("型    号", "XSP-2CA"),
        ("放大倍数", "40× – 1600×"),
        ("光    源", "LED 3 W"),
        ("出厂编号", "XSP24-0932"),
        ("生产单位", "示例光学仪器厂"),
    ]
    _plate(c, (370, 296, 1230, 766), "生物显微镜", rows)
    c.disc((1310, 520), 56, (44, 50, 58))
    c.ring((1310, 520), 44, (96, 106, 116), 4)
    return c
