"""The street, the doorplate and the entrance with the signboard."""

import random

from tests.assets.scenes.canvas import Canvas, Colour, darker, lighter, mix
from tests.assets.scenes.facts import COMPANY, DISTRICT, NUMBER, SHORT, STREET, STREET_LATIN
from tests.assets.scenes.things import GREEN, pot, tree

BRICK: Colour = (176, 104, 82)
CREAM: Colour = (232, 222, 202)


def street() -> Canvas:
    """From across the road: wall, gate, gatehouse, the building and the plant behind."""
    c = Canvas()
    c.fade((0, 0, 1600, 560), (142, 190, 232), (236, 243, 246))
    for x, y, r in (
        (240, 130, 46),
        (300, 118, 60),
        (370, 134, 44),
        (1180, 90, 40),
        (1240, 80, 54),
        (1310, 94, 38),
    ):
        c.disc((x, y), r, (250, 251, 252), flat=0.5)
    for index in range(40):
        c.disc((index * 42, 512), 46 + index * 37 % 20, mix(GREEN, (190, 208, 196), 0.55), flat=0.8)
    _hall(c)
    _building(c)
    for x, size, seed in ((150, 230, 1), (1480, 250, 2), (1050, 120, 3)):
        tree(c, (x, 620), size, seed)
    _wall(c)
    _gate(c)
    _road(c)
    tree(c, (70, 705), 330, 5)
    _road_sign(c)
    return c


def _hall(c: Canvas) -> None:
    c.fade((980, 300, 1560, 600), (206, 214, 220), (184, 194, 202))
    for x in range(990, 1560, 15):
        c.line([(x, 304), (x, 600)], (172, 182, 190), 1)
    c.poly([(960, 304), (1270, 236), (1580, 304)], (92, 122, 150))
    c.line([(960, 304), (1270, 236), (1580, 304)], (70, 96, 122), 3)
    for x in range(1020, 1540, 90):
        c.fade((x, 372, x + 62, 412), (128, 156, 176), (176, 198, 210))
        c.frame((x, 372, x + 62, 412), (120, 132, 142), 2)
    c.text((1270, 340), "种子加工车间", 30, (44, 84, 120))


def _building(c: Canvas) -> None:
    c.shade_box((470, 560, 960, 610), blur=14)
    c.fade((470, 210, 950, 600), lighter(CREAM, 0.35), CREAM)
    c.rect((456, 196, 964, 216), (168, 92, 70))
    c.rect((456, 214, 964, 220), (120, 66, 54))
    for floor in range(3):
        y = 262 + floor * 104
        for column in range(6):
            x = 496 + column * 76
            c.rect((x - 4, y - 4, x + 56, y + 62), (250, 248, 242))
            c.fade((x, y, x + 52, y + 56), (104, 146, 178), (182, 208, 222))
            c.poly([(x + 6, y + 56), (x + 28, y), (x + 42, y), (x + 20, y + 56)], (196, 216, 228))
            c.line([(x + 26, y), (x + 26, y + 56)], (240, 240, 236), 3)
            c.rect((x - 6, y + 58, x + 58, y + 64), (206, 196, 178))
    c.text((710, 236), SHORT, 30, (150, 40, 36), face="serif")


def _wall(c: Canvas) -> None:
    for x0, x1 in ((-20, 560), (1010, 1640)):
        c.shade_box((x0, 640, x1, 652), blur=8)
        c.fade((x0, 520, x1, 645), (236, 226, 208), (214, 202, 182))
        c.rect((x0, 508, x1, 524), (150, 84, 66))
        c.rect((x0, 622, x1, 645), (150, 144, 138))
        for x in range(int(x0) + 90, int(x1), 140):
            c.fade((x, 498, x + 26, 645), (190, 116, 92), (152, 90, 72))
            c.rect((x - 5, 490, x + 31, 502), (214, 204, 188))
    c.text((300, 575), "藏粮于地  藏粮于技", 42, (168, 52, 42))
    c.text((1350, 575), "良种良法  诚信经营", 42, (168, 52, 42))


def _gate(c: Canvas) -> None:
    for x in (560, 960):
        c.shade_box((x - 6, 650, x + 70, 664), blur=8)
        c.fade((x, 400, x + 56, 660), lighter(BRICK, 0.1), darker(BRICK, 0.15))
        for row in range(26):
            c.line([(x, 408 + row * 10), (x + 56, 408 + row * 10)], darker(BRICK, 0.22), 1)
        c.rect((x - 8, 384, x + 64, 404), (226, 216, 200))
        c.disc((x + 28, 368), 18, (252, 246, 224))
    c.rect((572, 418, 604, 640), (250, 248, 240), outline=(160, 140, 110), width=2)
    c.column((588, 426), COMPANY, 16, (30, 30, 32))
    _plate(c, 968, 452, 40)
    for index in range(22):
        bar = 622 + index * 15.4
        c.line([(bar, 566), (bar + 14, 654)], (196, 204, 212), 3)
        c.line([(bar + 14, 566), (bar, 654)], (166, 176, 186), 3)
        c.line([(bar, 560), (bar, 658)], (140, 150, 160), 3)
    c.line([(618, 566), (962, 566)], (206, 212, 218), 5)
    c.fade((905, 540, 962, 660), (214, 70, 54), (150, 40, 34), radius=6)
    c.rect((914, 552, 953, 572), (30, 34, 40))
    c.text((933, 562), "慢行", 14, (255, 120, 60))


def _plate(c: Canvas, x: float, y: float, wide: float) -> None:
    c.rect((x, y, x + wide, y + wide * 0.62), (22, 86, 160), radius=3, outline=(240, 244, 248), width=1)
    c.text((x + wide / 2, y + wide * 0.18), STREET, wide * 0.22, (255, 255, 255))
    c.text((x + wide / 2, y + wide * 0.43), NUMBER, wide * 0.32, (255, 255, 255))


def _road(c: Canvas) -> None:
    c.fade((0, 658, 1600, 720), (200, 196, 190), (186, 182, 176))
    for x in range(-60, 1660, 64):
        c.line([(x + 30, 658), (x, 720)], (170, 166, 160), 1)
    c.poly([(600, 658), (986, 658), (1060, 720), (540, 720)], (176, 176, 174))
    c.rect((0, 718, 1600, 732), (222, 220, 214))
    c.fade((0, 732, 1600, 900), (98, 102, 108), (74, 78, 84))
    c.speckle((0, 732, 1600, 900), 3, 0.05)
    for x in range(-40, 1640, 220):
        c.poly([(x, 812), (x + 120, 812), (x + 112, 824), (x - 12, 824)], (236, 236, 228))


def _road_sign(c: Canvas) -> None:
    c.shade_box((1196, 704, 1240, 714), blur=5)
    c.fade((1208, 430, 1216, 710), (190, 196, 202), (120, 126, 132), across=True)
    c.rect((1120, 428, 1304, 496), (20, 96, 170), radius=6, outline=(250, 250, 250), width=3)
    c.text((1212, 452), STREET, 32, (255, 255, 255))
    c.text((1212, 482), STREET_LATIN, 19, (226, 238, 250), face="sans")


def doorplate() -> Canvas:
    """The blue plate on its brick pillar, close up."""
    c = Canvas((150, 140, 132))
    c.fade((0, 0, 1600, 900), (190, 206, 214), (168, 176, 170))
    for index in range(60):
        x, y = index * 211 % 1600, index * 97 % 900
        if not 250 < x < 1350:
            c.disc((x, y), 60 + index % 5 * 20, mix(GREEN, (150, 176, 140), index % 7 / 9))
    c.soften((0, 0, 1600, 900), 14)
    rng = random.Random(8)
    c.rect((250, 0, 1350, 900), (206, 196, 184))
    for row in range(19):
        y = row * 50 - 10
        for column in range(-1, 12):
            x = 250 + column * 102 + (row % 2) * 51
            x0, x1 = max(254, x + 3), min(1346, x + 99)
            if x1 - x0 > 6:
                tone = mix(
                    BRICK, (204, 132, 100) if rng.random() < 0.5 else (136, 78, 64), rng.random() * 0.6
                )
                c.fade((x0, y + 3, x1, y + 47), lighter(tone, 0.08), darker(tone, 0.08), radius=2)
    c.speckle((250, 0, 1350, 900), 9, 0.06, 3)
    c.shadow([(1180, 0), (1350, 0), (1350, 900), (1230, 900)], blur=60, strength=0.4)
    c.shade_box((462, 232, 1164, 692), blur=20, strength=0.6)
    c.fade((450, 215, 1150, 675), (34, 104, 186), (14, 66, 136), radius=22)
    c.frame((464, 229, 1136, 661), (244, 247, 250), 6, 16)
    c.text((800, 300), " ".join(DISTRICT), 50, (244, 247, 250))
    c.text((800, 372), " ".join(STREET), 74, (255, 255, 255))
    c.line([(520, 424), (1080, 424)], (150, 190, 226), 2)
    c.text((780, 545), NUMBER, 210, (255, 255, 255), anchor="mm")
    c.text((985, 590), "号", 92, (255, 255, 255))
    _code(c, 520, 500, 110)
    for x, y in ((482, 247), (1118, 247), (482, 643), (1118, 643)):
        c.disc((x, y), 9, (206, 212, 218))
        c.line([(x - 5, y - 4), (x + 5, y + 4)], (110, 118, 126), 2)
    c.shadow([(450, 215), (760, 215), (600, 675), (450, 675)], blur=40, strength=0.16, light=True)
    c.shadow([(250, 730), (560, 760), (420, 800), (700, 860), (250, 900)], blur=22, strength=0.35)
    return c


def _code(c: Canvas, x: float, y: float, size: float) -> None:
    """Squares that look like a two-dimensional code and say nothing."""
    rng = random.Random(21)
    c.rect((x, y, x + size, y + size), (250, 250, 250), radius=4)
    cell = (size - 12) / 17
    for row in range(17):
        for column in range(17):
            corner = ((row < 5 or row > 11) and column < 5) or (row < 5 and column > 11)
            if not corner and rng.random() < 0.48:
                x0, y0 = x + 6 + column * cell, y + 6 + row * cell
                c.rect((x0, y0, x0 + cell, y0 + cell), (18, 44, 92))
    for row, column in ((0, 0), (0, 12), (12, 0)):
        x0, y0 = x + 6 + column * cell, y + 6 + row * cell
        c.frame((x0, y0, x0 + 5 * cell, y0 + 5 * cell), (18, 44, 92), cell * 0.8)
        c.rect((x0 + 1.7 * cell, y0 + 1.7 * cell, x0 + 3.3 * cell, y0 + 3.3 * cell), (18, 44, 92))


def signboard() -> Canvas:
    """The entrance: the company's board beside the glass doors."""
    c = Canvas(CREAM)
    c.fade((0, 0, 1600, 900), (238, 230, 214), (220, 208, 186))
    for row, y in enumerate(range(40, 760, 90)):
        c.line([(0, y), (1600, y)], (206, 194, 172), 2)
        for x in range(90 * (row % 2), 1600, 180):
            c.line([(x, y), (x, y + 90)], (206, 194, 172), 2)
    c.speckle((0, 0, 1600, 760), 5, 0.035, 3)
    _doors(c)
    c.poly([(0, 900), (0, 770), (1600, 770), (1600, 900)], (190, 184, 174))
    for step, y in enumerate((770, 806, 846)):
        c.fade((430 - step * 40, y, 1600, y + 40), lighter((196, 190, 182), 0.2), (168, 162, 154))
        c.line([(430 - step * 40, y), (1600, y)], (226, 222, 214), 3)
    c.fade((560, 40, 1600, 128), (104, 112, 120), (70, 78, 86))
    c.shade_box((560, 128, 1600, 150), blur=14, strength=0.5)
    c.text((1090, 84), SHORT, 54, (250, 236, 196), face="serif")
    c.shade_box((322, 112, 520, 738), blur=16, strength=0.5)
    c.fade((306, 96, 506, 720), (252, 250, 244), (234, 230, 220), radius=4)
    c.frame((306, 96, 506, 720), (176, 150, 96), 7, 4)
    c.frame((320, 110, 492, 706), (206, 186, 136), 2, 2)
    c.column((406, 126), COMPANY, 43.5, (26, 24, 24))
    c.rect((96, 330, 262, 440), (206, 170, 84), radius=4, outline=(150, 116, 48), width=2)
    c.text((179, 362), "种子质量", 27, (84, 54, 16))
    c.text((179, 404), "诚信单位", 27, (84, 54, 16))
    pot(c, (228, 790), 190, 4)
    pot(c, (600, 786), 150, 6)
    return c


def _doors(c: Canvas) -> None:
    c.rect((650, 150, 1560, 772), (92, 98, 106))
    for x in (666, 892, 1118, 1344):
        c.fade((x, 166, x + 208, 768), (82, 112, 134), (168, 190, 200))
        c.poly([(x, 560), (x + 140, 166), (x + 196, 166), (x, 720)], (128, 156, 174))
        c.fade((x + 20, 470, x + 188, 768), (112, 132, 146), (150, 146, 138))
        c.frame((x, 166, x + 208, 768), (60, 66, 74), 4)
    for x in (1086, 1132):
        c.line([(x, 400), (x, 560)], (226, 230, 234), 9)
    c.text((996, 330), "欢迎光临", 30, (234, 240, 244))
    c.text((1222, 330), "请出示证件", 26, (234, 240, 244))
    c.rect((666, 440, 1552, 452), (206, 60, 48))
