"""The business licence on the office wall."""

import math

from tests.assets.scenes.canvas import Canvas, Colour, darker
from tests.assets.scenes.facts import ADDRESS, COMPANY, CREDIT_CODE, PERSON
from tests.assets.scenes.things import pot

GOLD: Colour = (178, 140, 70)
INK: Colour = (44, 40, 36)
ROWS = (
    ("名        称", COMPANY),
    ("类        型", "有限责任公司"),
    ("法定代表人", PERSON),
    ("住        所", ADDRESS),
    ("注册资本", "叁仟万元整"),
    ("成立日期", "2012年05月18日"),
)


def licence() -> Canvas:
    """A framed licence (without the state emblem: it is a drawing) above a side table."""
    c = Canvas()
    c.fade((0, 0, 1600, 900), (236, 234, 226), (214, 210, 200))
    c.speckle((0, 0, 1600, 900), 2, 0.03, 3)
    c.shadow([(0, 0), (700, 0), (300, 900), (0, 900)], blur=80, strength=0.4, light=True)
    c.shade_box((326, 84, 1320, 806), blur=26, strength=0.55)
    c.fade((300, 56, 1300, 784), (120, 78, 46), (86, 54, 32), radius=6)
    c.frame((314, 70, 1286, 770), (160, 112, 68), 3, 3)
    c.rect((336, 92, 1264, 748), (250, 247, 236))
    _border(c)
    c.text((800, 178), "营 业 执 照", 66, (30, 26, 24), face="serif")
    c.text((800, 232), "（副本）  演示样张", 22, (120, 96, 60), face="sans")
    c.text((430, 278), "统一社会信用代码", 19, INK, face="sans", anchor="lm")
    c.text((430, 306), CREDIT_CODE, 25, INK, face="mono", anchor="lm")
    for index, (label, value) in enumerate(ROWS):
        y = 366 + index * 47
        c.text((430, y), label, 21, (128, 92, 44), anchor="lm")
        c.text((580, y), value, 24, INK, face="sans", anchor="lm")
    c.text((430, 648), "经营范围", 21, (128, 92, 44), anchor="lm")
    c.text((580, 648), "农作物种子生产、加工、经营", 24, INK, face="sans", anchor="lm")
    _seal(c, (1090, 560), 84)
    c.text((1090, 690), "2024 年 03 月 12 日", 20, INK, face="sans")
    glare = [(336, 92), (560, 92), (420, 748), (336, 748)]
    c.shadow(glare, blur=30, strength=0.22, light=True)
    c.fade((0, 850, 1600, 900), (140, 98, 62), (108, 72, 44))
    c.line([(0, 850), (1600, 850)], (176, 132, 90), 4)
    pot(c, (1440, 872), 190, 3)
    return c


def _border(c: Canvas) -> None:
    c.frame((356, 112, 1244, 728), GOLD, 4)
    c.frame((366, 122, 1234, 718), (206, 176, 116), 2)
    for index in range(60):
        x = 372 + index * (856 / 59)
        for y in (117, 723):
            c.disc((x, y), 3.4, GOLD)
    for index in range(40):
        down = 132 + index * (576 / 39)
        for side in (361, 1239):
            c.disc((side, down), 3.4, GOLD)
    for ring in range(5):
        c.ring((800, 470), 110 + ring * 12, (240, 232, 208), 2)


def _seal(c: Canvas, centre: tuple[float, float], radius: float) -> None:
    red: Colour = (206, 64, 54)
    c.ring(centre, radius, red, 5)
    star = []
    for index in range(10):
        angle, far = -math.pi / 2 + index * math.pi / 5, radius * (0.34 if index % 2 == 0 else 0.14)
        star.append((centre[0] + math.cos(angle) * far, centre[1] + math.sin(angle) * far))
    c.poly(star, red)
    words = "登记机关演示印章"
    for index, word in enumerate(words):
        angle = math.radians(-205 + index * 230 / (len(words) - 1))
        at = (centre[0] + math.cos(angle) * radius * 0.74, centre[1] + math.sin(angle) * radius * 0.74)
        c.text(at, word, 21, darker(red, 0.05), face="serif")
