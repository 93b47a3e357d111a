"""The processing line and the seed store."""

import random

from tests.assets.scenes.canvas import Canvas, Colour, Point, darker, lighter, mix
from tests.assets.scenes.things import SACK, STEEL, extinguisher, lamp, room, sack, sign

BLUE: Colour = (44, 106, 160)
TEAL: Colour = (60, 140, 128)
ORANGE: Colour = (226, 128, 44)


def line() -> Canvas:
    """The hall with feed, clean, grade, coat and pack from left to right."""
    c = Canvas()
    room(
        c,
        (60, 120, 1540, 590),
        wall=(216, 222, 224),
        floor=(150, 160, 156),
        ceiling=(176, 186, 194),
        tiles=10,
        rows=6,
    )
    _roof(c)
    _floor_marks(c)
    c.text((985, 170), "种 子 加 工 生 产 线", 40, (164, 44, 40))
    _feed(c)
    _cleaner(c)
    _grader(c)
    _coater(c)
    _packer(c)
    _conveyor(c)
    for x, number, name in (
        (270, 1, "进料"),
        (520, 2, "风筛清选"),
        (790, 3, "比重分级"),
        (1055, 4, "包衣"),
        (1310, 5, "计量包装"),
    ):
        c.disc((x - 74, 748), 21, (255, 255, 255))
        c.ring((x - 74, 748), 21, (11, 90, 138), 3)
        c.text((x - 74, 747), str(number), 24, (11, 90, 138))
        sign(c, (x - 46, 726, x + 84, 770), name)
    return c


def _roof(c: Canvas) -> None:
    for x in range(60, 1541, 148):
        top = 800 + (x - 800) * 1.9
        c.line([(x, 120), (top, -10)], (140, 150, 158), 5)
    for y in (24, 78):
        c.line([(0, y), (1600, y)], (130, 142, 150), 6)
    for x in (300, 640, 980, 1320):
        lamp(c, (x - 60, 70), (x + 60, 70), 10)
    for x in range(120, 1500, 176):
        c.fade((x, 214, x + 118, 268), (172, 206, 226), (222, 236, 242))
        c.frame((x, 214, x + 118, 268), (150, 160, 166), 3)
    for x in range(60, 1541, 148):
        c.rect((x - 5, 120, x + 5, 590), (184, 192, 196))


def _floor_marks(c: Canvas) -> None:
    for y, wide in ((716, 7), (812, 10)):
        c.line([(0, y + 4), (1600, y + 4)], (206, 172, 40), wide)
    c.fade((0, 722, 1600, 806), (104, 142, 118), (96, 132, 110))
    c.speckle((0, 590, 1600, 900), 6, 0.03, 3)


def _pipe(c: Canvas, points: list[Point], width: float = 26) -> None:
    c.line(points, (122, 132, 140), width)
    c.line(points, (188, 196, 202), width * 0.6)
    c.line([(x - width * 0.12, y - width * 0.12) for x, y in points], (226, 230, 234), width * 0.18)


def _legs(c: Canvas, left: float, right: float, top: float, foot: float) -> None:
    c.shade_box((left, foot - 8, right + 20, foot + 6), blur=9)
    for x in (left + 12, right - 12):
        c.rect((x - 7, top, x + 7, foot), (92, 102, 110))
        c.rect((x - 16, foot - 6, x + 16, foot), (70, 78, 86))
    c.line([(left + 12, foot - 30), (right - 12, top + 20)], (104, 114, 122), 5)


def _feed(c: Canvas) -> None:
    _legs(c, 196, 330, 520, 700)
    c.poly([(176, 420), (350, 420), (296, 540), (230, 540)], STEEL)
    c.poly([(176, 420), (230, 420), (252, 540), (230, 540)], lighter(STEEL, 0.45))
    c.poly([(320, 420), (350, 420), (296, 540), (282, 540)], darker(STEEL, 0.25))
    c.disc((263, 420), 87, (120, 110, 84), flat=0.2)
    c.disc((263, 418), 78, (222, 182, 88), flat=0.18)
    rng = random.Random(1)
    for _ in range(120):
        c.disc(
            (263 + rng.gauss(0, 34), 416 + rng.gauss(0, 5)),
            3,
            mix((236, 200, 110), (170, 124, 50), rng.random()),
        )
    c.rect((240, 540, 286, 590), darker(STEEL, 0.1))
    c.fade((352, 236, 398, 700), lighter(BLUE, 0.25), darker(BLUE, 0.2), across=True, radius=6)
    c.rect((342, 224, 408, 262), darker(BLUE, 0.1), radius=6)
    for y in range(290, 700, 56):
        c.line([(352, y), (398, y)], darker(BLUE, 0.35), 2)
    c.text((375, 470), "提", 24, (240, 246, 250))
    c.text((375, 500), "升", 24, (240, 246, 250))
    c.text((375, 530), "机", 24, (240, 246, 250))
    _pipe(c, [(286, 580), (352, 640)])
    _pipe(c, [(404, 244), (470, 300), (470, 340)])


def _cleaner(c: Canvas) -> None:
    _legs(c, 430, 610, 600, 700)
    c.block((430, 400, 600, 620), (26, -18), TEAL)
    c.poly([(446, 400), (500, 340), (556, 340), (584, 400)], lighter(TEAL, 0.3))
    for y in (462, 510, 558):
        c.rect((446, y, 584, y + 30), darker(TEAL, 0.35), radius=3)
        for x in range(452, 582, 9):
            c.line([(x, y + 4), (x + 4, y + 26)], lighter(TEAL, 0.25), 2)
    c.disc((590, 350), 44, (150, 160, 168))
    c.ring((590, 350), 44, (104, 114, 122), 5)
    c.disc((590, 350), 12, (70, 80, 90))
    _pipe(c, [(616, 330), (660, 230), (660, 130)], 34)
    sign(c, (452, 416, 578, 448), "5XFS-10", (240, 244, 246), (20, 60, 70))


def _grader(c: Canvas) -> None:
    _legs(c, 690, 890, 580, 700)
    c.block((700, 500, 880, 610), (24, -16), ORANGE)
    c.poly([(676, 470), (884, 430), (916, 462), (704, 508)], (226, 230, 232))
    for index in range(12):
        x = 690 + index * 18
        c.line([(x, 472 - index * 3.4), (x + 24, 500 - index * 3.4)], (176, 184, 190), 2)
    rng = random.Random(9)
    for _ in range(160):
        t = rng.random()
        c.disc((694 + t * 200, 486 - t * 36 + rng.gauss(0, 7)), 2.6, (214, 166, 70))
    _pipe(c, [(600, 600), (650, 560), (650, 430), (700, 430), (720, 460)])
    sign(c, (724, 536, 856, 572), "5XZ-10", (250, 246, 236), (110, 56, 10))
    c.rect((846, 586, 872, 602), (40, 46, 52), radius=3)
    c.disc((853, 594), 5, (90, 220, 110))


def _coater(c: Canvas) -> None:
    _legs(c, 970, 1140, 600, 700)
    c.block((970, 470, 1130, 620), (24, -16), (206, 214, 218))
    c.fade((980, 380, 1120, 480), (236, 240, 242), (160, 170, 178), across=True, radius=26)
    c.frame((980, 380, 1120, 480), (120, 130, 138), 2, 26)
    c.disc((1050, 430), 30, (196, 72, 88))
    c.ring((1050, 430), 32, (90, 100, 110), 5)
    c.fade((1128, 340, 1166, 440), (226, 90, 110), (160, 40, 66), radius=8)
    c.text((1147, 390), "剂", 22, (255, 240, 242))
    _pipe(c, [(1146, 440), (1146, 500), (1122, 520)], 12)
    _pipe(c, [(892, 470), (930, 420), (930, 350), (1000, 350), (1020, 384)])
    sign(c, (986, 516, 1114, 552), "5BY-10", (236, 242, 246), (30, 60, 90))
    c.rect((996, 566, 1104, 604), (28, 36, 44), radius=4)
    c.text((1050, 585), "10.2 t/h", 23, (120, 230, 140), face="mono")


def _packer(c: Canvas) -> None:
    _legs(c, 1240, 1390, 520, 700)
    c.poly([(1230, 330), (1400, 330), (1346, 430), (1284, 430)], STEEL)
    c.poly([(1230, 330), (1290, 330), (1306, 430), (1284, 430)], lighter(STEEL, 0.45))
    c.block((1250, 430, 1380, 530), (22, -14), BLUE)
    c.rect((1270, 446, 1360, 488), (24, 32, 40), radius=4)
    c.text((1315, 467), "25.00 kg", 21, (255, 170, 60), face="mono")
    c.text((1315, 510), "DCS-50", 20, (230, 240, 248))
    c.fade((1284, 530, 1346, 676), lighter(SACK, 0.2), darker(SACK, 0.15), radius=12)
    c.rect((1294, 580, 1336, 630), (60, 122, 78))
    c.text((1315, 604), "良种", 18, (250, 248, 238))
    _pipe(c, [(1130, 560), (1190, 500), (1190, 290), (1280, 290), (1310, 332)])


def _conveyor(c: Canvas) -> None:
    c.shade_box((1200, 700, 1600, 714), blur=9)
    c.rect((1220, 676, 1600, 694), (46, 52, 58), radius=8)
    for x in range(1236, 1600, 34):
        c.disc((x, 686), 7, (130, 140, 148))
    sack(c, (1420, 622, 1560, 676), "良种")


def store() -> Canvas:
    """The store: stacks of sacks on pallets to both sides of an aisle."""
    c = Canvas()
    room(
        c,
        (500, 210, 1100, 560),
        wall=(226, 226, 218),
        floor=(176, 180, 176),
        ceiling=(196, 204, 208),
        tiles=10,
        rows=7,
    )
    for left, right, y, thick in ((690, 910, 196, 5), (620, 980, 140, 8), (520, 1080, 62, 12)):
        lamp(c, (left, y), (left + (right - left) * 0.3, y), thick)
        lamp(c, (right - (right - left) * 0.3, y), (right, y), thick)
    _back_wall(c)
    for x0, x1, y, rows, wide in ((300, 560, 590, 5, 2), (1040, 1300, 590, 5, 2)):
        _stack(c, x0, x1, y, rows, wide, 34)
    for x0, x1, y, rows, wide in ((20, 430, 730, 6, 2), (1170, 1580, 730, 6, 2)):
        _stack(c, x0, x1, y, rows, wide, 56)
    c.line([(620, 560), (470, 900)], (216, 180, 40), 8)
    c.line([(980, 560), (1130, 900)], (216, 180, 40), 8)
    _meter(c, (1105, 640))
    extinguisher(c, (520, 790), 92)
    extinguisher(c, (566, 800), 92)
    sign(c, (470, 812, 620, 846), "消防器材", (196, 30, 34))
    _card(c, (120, 300, 330, 420), "玉米 示例 1 号", "批号 2026-017  12.5 t")
    _card(c, (1270, 300, 1480, 420), "小麦 示例 6 号", "批号 2026-022  20.0 t")
    return c


def _back_wall(c: Canvas) -> None:
    c.rect((690, 330, 910, 560), (120, 136, 150), outline=(90, 104, 116), width=5)
    for y in range(346, 556, 22):
        c.line([(696, y), (904, y)], (148, 164, 176), 5)
    c.fade((694, 528, 906, 560), (216, 222, 226), (176, 184, 190))
    c.text((800, 545), "挡鼠板", 18, (90, 60, 30))
    sign(c, (660, 236, 940, 300), "种 子 仓 库", (11, 90, 138))
    sign(c, (530, 330, 650, 372), "合格品区", (24, 106, 60))
    sign(c, (950, 330, 1070, 372), "严禁烟火", (180, 36, 28))
    c.fade((540, 240, 630, 292), (150, 190, 216), (206, 224, 232))
    c.fade((970, 240, 1060, 292), (150, 190, 216), (206, 224, 232))


def _stack(c: Canvas, x0: float, x1: float, foot: float, rows: int, wide: int, high: float) -> None:
    c.shadow(
        [(x0 - 10, foot + 12), (x1 + 20, foot + 12), (x1 + 30, foot + 34), (x0 - 20, foot + 34)],
        blur=10,
        strength=0.5,
    )
    for x in (x0 + 10, (x0 + x1) / 2 - 12, x1 - 34):
        c.rect((x, foot, x + 24, foot + high * 0.4), (150, 112, 70))
    c.fade((x0 - 6, foot - 2, x1 + 6, foot + high * 0.2), (196, 154, 104), (156, 116, 74))
    step = (x1 - x0) / wide
    for row in range(rows):
        y = foot - high * (row + 1) * 0.94
        shift = 0 if row % 2 else high * 0.16
        for column in range(wide):
            left = x0 + column * step + shift - high * 0.08
            tone = mix(SACK, (206, 186, 150), (row * 3 + column) % 4 / 4)
            sack(c, (left, y, left + step - 2, y + high), "良种", tone)


def _card(c: Canvas, box: tuple[float, float, float, float], title: str, detail: str) -> None:
    x0, y0, x1, _ = box
    c.shade_box((x0 + 4, y0 + 5, x1 + 4, y0 + 86), blur=6)
    c.rect((x0, y0, x1, y0 + 82), (252, 252, 248), radius=4, outline=(24, 106, 60), width=3)
    c.text(((x0 + x1) / 2, y0 + 28), title, 26, (20, 70, 44))
    c.text(((x0 + x1) / 2, y0 + 60), detail, 17, (50, 60, 66), face="sans")


def _meter(c: Canvas, at: Point) -> None:
    x, y = at
    c.shade_box((x - 40, y + 142, x + 50, y + 152), blur=5)
    c.line([(x, y), (x, y + 146)], (120, 130, 138), 6)
    c.rect((x - 62, y - 64, x + 62, y + 26), (244, 246, 246), radius=8, outline=(150, 160, 168), width=2)
    c.rect((x - 52, y - 54, x + 52, y - 2), (30, 38, 44), radius=4)
    c.text((x, y - 40), "18.6 ℃", 22, (120, 230, 140), face="mono")
    c.text((x, y - 16), "46 %RH", 20, (120, 200, 240), face="mono")
    c.text((x, y + 12), "温湿度", 17, (50, 60, 70))
