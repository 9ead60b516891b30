"""Cartoon animals and people, and the faces they make."""

from course_lib.mini.canvas import Colour, mix, shade
from course_lib.mini.pose import INK, WHITE, Pose

MOODS = ("happy", "calm", "sleepy", "shocked", "smug", "dizzy")
PINK, SKIN = (250, 160, 170), (250, 214, 178)
HAIR = ((70, 46, 40), (40, 36, 44), (150, 96, 50))


def light(colour: Colour) -> Colour:
    """The colour of bellies and muzzles."""
    return mix(colour, (255, 248, 236), 0.62)


def dark(colour: Colour) -> Colour:
    """The colour of shaded sides and patches; black things have a lighter one, or it would not show."""
    return shade(colour, 0.2) if sum(colour[:3]) < 200 else shade(colour, -0.22)


def face(p: Pose, mood: str, apart: float = 0.11, eye: float = 0.07, mouth: float = 0.11, ink: Colour = INK) -> None:
    """Eyes, mouth and cheeks about the middle of `p`; `ink` draws the mouth and closed eyes."""
    thin = max(p.line * 0.8, 1.2 / p.size)
    for side in (-1, 1):
        x = side * apart
        if mood == "sleepy":
            p.stroke([(x - eye, 0), (x - eye * 0.5, eye * 0.55), (x + eye * 0.5, eye * 0.55), (x + eye, 0)], ink, thin)
        elif mood == "happy" and p.fine and apart < 0.1:
            p.stroke([(x - eye, eye * 0.4), (x, -eye * 0.6), (x + eye, eye * 0.4)], ink, thin)
        elif mood == "dizzy" and p.fine:
            p.ellipse(x, 0, eye, eye, WHITE, p.line * 0.6)
            for d in (-1, 1):
                p.stroke([(x - eye * 0.6, -d * eye * 0.6), (x + eye * 0.6, d * eye * 0.6)], INK, thin)
        else:
            grow = 1.35 if mood == "shocked" else 1
            p.ellipse(x, 0, eye * grow, eye * grow * 1.1, WHITE, p.line * 0.6)
            pupil = eye * (0.45 if mood == "shocked" else 0.68)
            shift = eye * 0.25 if mood == "smug" else 0
            p.ellipse(x + shift, eye * (0.1 if mood != "smug" else 0.3), pupil, pupil * 1.1, INK, 0)
            if p.fine:
                p.ellipse(x + shift - pupil * 0.35, -pupil * 0.4, pupil * 0.36, pupil * 0.36, WHITE, 0)
            if mood == "smug":
                p.polygon([(x - eye * 1.2, -eye * 1.2), (x + eye * 1.2, -eye * 1.2), (x + eye * 1.2, -eye * 0.2),
                           (x - eye * 1.2, -eye * 0.2)], ink if not p.fine else INK, 0)
    if mouth and p.size > 14:
        y = eye * 1.7
        if mood == "shocked":
            p.ellipse(0, y + mouth * 0.35, mouth * 0.42, mouth * 0.6, (150, 40, 54), p.line * 0.6)
        elif mood == "dizzy":
            p.stroke([(-mouth * 0.8, y), (-mouth * 0.4, y - mouth * 0.3), (0, y), (mouth * 0.4, y - mouth * 0.3),
                      (mouth * 0.8, y)], ink, thin)
        elif mood == "smug":
            p.stroke([(-mouth * 0.5, y), (mouth * 0.2, y + mouth * 0.15), (mouth * 0.8, y - mouth * 0.35)], ink, thin)
        else:
            p.stroke([(-mouth * 0.7, y - mouth * 0.2), (0, y + mouth * 0.3), (mouth * 0.7, y - mouth * 0.2)], ink, thin)
    if p.fine:
        for side in (-1, 1):
            p.ellipse(side * (apart + eye * 1.35), eye * 1.5, eye * 0.62, eye * 0.4, (255, 120, 130, 120), 0)


def ink_on(colour: Colour) -> Colour:
    """The colour of face lines on a surface of `colour`."""
    return (236, 226, 216) if sum(colour[:3]) < 200 else INK


def cat(p: Pose, colour: Colour, mood: str) -> None:
    """A cat sitting upright, its tail in the air."""
    p.limb([(0.18, 0.4), (0.36, 0.4), (0.4, 0.2), (0.34, 0.06)], colour, 0.085)
    p.shape([(0, -0.1), (0.2, 0.1), (0.26, 0.38), (0.16, 0.46), (-0.16, 0.46), (-0.26, 0.38), (-0.2, 0.1)], colour)
    p.ellipse(0, 0.27, 0.12, 0.15, light(colour), 0)
    for side in (-1, 1):
        p.ellipse(side * 0.11, 0.43, 0.08, 0.045, colour, p.line * 0.7)
    cat_head(p, colour, mood)


def cat_head(p: Pose, colour: Colour, mood: str) -> None:
    """The head of the sitting cat, about (0, -0.14)."""
    for side in (-1, 1):
        p.polygon([(side * 0.29, -0.45), (side * 0.31, -0.15), (side * 0.07, -0.31)], colour)
        p.polygon([(side * 0.255, -0.37), (side * 0.265, -0.22), (side * 0.14, -0.3)], PINK, 0)
    p.ellipse(0, -0.14, 0.32, 0.235, colour)
    if p.fine:
        for x in (-0.07, 0, 0.07):
            p.stroke([(x, -0.35), (x * 0.8, -0.28)], dark(colour), 0.028)
        for side in (-1, 1):
            for dy in (-0.02, 0.03):
                p.stroke([(side * 0.2, -0.06 + dy * 0.5), (side * 0.4, -0.07 + dy * 1.8)], INK, 0.012)
    face(p.at(0, -0.16, 1), mood, 0.135, 0.07, 0.09, ink_on(colour))
    p.ellipse(0, -0.085, 0.026, 0.018, (238, 110, 130), 0)


def dog(p: Pose, colour: Colour, mood: str) -> None:
    """A dog sitting upright with drooping ears, a big nose and its tongue out."""
    p.limb([(-0.2, 0.38), (-0.34, 0.3), (-0.38, 0.16)], colour, 0.075)
    p.shape([(0, -0.08), (0.19, 0.1), (0.25, 0.4), (0.14, 0.46), (-0.14, 0.46), (-0.25, 0.4), (-0.19, 0.1)], colour)
    p.ellipse(0, 0.27, 0.11, 0.15, light(colour), 0)
    for side in (-1, 1):
        p.ellipse(side * 0.11, 0.435, 0.085, 0.045, colour, p.line * 0.7)
    p.ellipse(0, -0.17, 0.25, 0.26, colour)
    p.box(0, 0.11, 0.26, 0.055, 0.027, (226, 62, 66) if colour[0] < 190 else (50, 110, 200), p.line * 0.7)
    for side in (-1, 1):
        p.shape([(side * 0.17, -0.4), (side * 0.33, -0.38), (side * 0.39, -0.12), (side * 0.31, 0.03),
                 (side * 0.23, -0.1)], dark(colour))
    if mood in ("happy", "smug"):
        p.ellipse(0.04, 0.055, 0.045, 0.07, (240, 104, 120), p.line * 0.7)
    p.ellipse(0, -0.05, 0.145, 0.1, light(colour), p.line * 0.6)
    p.ellipse(0, -0.1, 0.062, 0.045, INK, 0)
    if p.fine:
        p.ellipse(-0.02, -0.115, 0.018, 0.011, WHITE, 0)
        p.stroke([(-0.08, -0.02), (0, 0.01), (0.08, -0.02)], INK, 0.018)
    face(p.at(0, -0.23, 1), mood, 0.105, 0.062, 0, ink_on(colour))


def rabbit(p: Pose, colour: Colour, mood: str) -> None:
    """A rabbit standing upright with long ears and two front teeth."""
    for side, bend in ((-1, 0.0), (1, 0.05)):
        p.shape([(side * 0.05, -0.16), (side * 0.04, -0.38), (side * (0.1 + bend), -0.5), (side * (0.19 + bend), -0.42),
                 (side * 0.17, -0.16)], colour)
        p.shape([(side * 0.09, -0.2), (side * 0.08, -0.36), (side * (0.115 + bend), -0.44),
                 (side * (0.15 + bend), -0.36), (side * 0.14, -0.2)], PINK, 0)
    p.ellipse(0.22, 0.36, 0.075, 0.075, light(colour))
    p.ellipse(0, 0.27, 0.2, 0.19, colour)
    p.ellipse(0, 0.29, 0.11, 0.12, light(colour), 0)
    for side in (-1, 1):
        p.ellipse(side * 0.13, 0.45, 0.105, 0.045, colour, p.line * 0.8)
        p.ellipse(side * 0.15, 0.2, 0.05, 0.09, colour, p.line * 0.7, side * 25)
    p.ellipse(0, -0.03, 0.24, 0.19, colour)
    face(p.at(0, -0.06, 1), mood, 0.11, 0.06, 0.07, ink_on(colour))
    p.ellipse(0, 0.015, 0.024, 0.017, (238, 110, 130), 0)
    p.box(0, 0.095, 0.062, 0.06, 0.012, WHITE, p.line * 0.4)
    if p.fine:
        p.stroke([(0, 0.07), (0, 0.12)], INK, 0.01)


def cow(p: Pose, colour: Colour, mood: str) -> None:
    """A cow on four legs seen from the side, its broad face towards the viewer."""
    p.limb([(-0.4, -0.06), (-0.46, 0.1), (-0.44, 0.2)], colour, 0.03)
    for x in (-0.3, -0.16, 0.06, 0.19):
        p.box(x, 0.3, 0.085, 0.3, 0.02, colour)
        p.box(x, 0.43, 0.085, 0.06, 0.015, INK, 0)
    p.ellipse(-0.09, 0.24, 0.07, 0.055, PINK, p.line * 0.7)
    p.shape([(-0.4, -0.12), (0, -0.17), (0.25, -0.1), (0.28, 0.12), (0.16, 0.24), (-0.3, 0.24), (-0.42, 0.1)], colour)
    spot = light(colour) if sum(colour[:3]) < 560 else (84, 66, 62)
    p.shape([(-0.32, -0.08), (-0.18, -0.11), (-0.16, 0.04), (-0.28, 0.1)], spot, 0)
    p.shape([(-0.08, 0.06), (0.05, 0.03), (0.06, 0.16), (-0.06, 0.2)], spot, 0)
    for side in (-1, 1):
        p.polygon([(0.22 + side * 0.09, -0.32), (0.22 + side * 0.17, -0.46), (0.22 + side * 0.17, -0.28)],
                  (244, 226, 190), p.line * 0.8)
        p.ellipse(0.22 + side * 0.22, -0.22, 0.075, 0.045, colour, angle=side * -15)
    p.ellipse(0.22, -0.13, 0.17, 0.215, colour)
    p.ellipse(0.13, -0.24, 0.055, 0.06, spot, 0)
    p.ellipse(0.22, 0.01, 0.17, 0.095, PINK)
    for side in (-1, 1):
        p.ellipse(0.22 + side * 0.06, -0.005, 0.02, 0.027, (176, 76, 96), 0)
    if p.fine:
        p.stroke([(0.16, 0.06), (0.22, 0.08), (0.28, 0.06)], INK, 0.016)
    face(p.at(0.22, -0.18, 1), mood, 0.075, 0.056, 0, ink_on(colour))


def penguin(p: Pose, colour: Colour, mood: str) -> None:
    """A penguin with a white belly, an orange beak and flippers held out."""
    for side in (-1, 1):
        p.ellipse(side * 0.12, 0.44, 0.11, 0.045, (250, 160, 40), p.line * 0.8)
        p.shape([(side * 0.2, -0.1), (side * 0.42, 0.1), (side * 0.43, 0.2), (side * 0.2, 0.14)], colour)
    p.shape([(0, -0.48), (0.2, -0.38), (0.28, -0.05), (0.29, 0.24), (0.16, 0.43), (-0.16, 0.43), (-0.29, 0.24),
             (-0.28, -0.05), (-0.2, -0.38)], colour)
    p.shape([(0, -0.02), (0.15, -0.06), (0.2, 0.18), (0.11, 0.4), (-0.11, 0.4), (-0.2, 0.18), (-0.15, -0.06)], WHITE, 0)
    for side in (-1, 1):
        p.ellipse(side * 0.095, -0.21, 0.12, 0.135, WHITE, 0)
    face(p.at(0, -0.23, 1), mood, 0.095, 0.055, 0)
    p.polygon([(-0.07, -0.15), (0.07, -0.15), (0, -0.06)], (250, 150, 30), p.line * 0.7)
    if mood == "shocked":
        p.polygon([(-0.05, -0.07), (0.05, -0.07), (0, -0.02)], (210, 80, 40), p.line * 0.7)


def fish(p: Pose, colour: Colour, mood: str) -> None:
    """A plump fish swimming to the right."""
    p.shape([(-0.22, 0), (-0.36, -0.2), (-0.48, -0.24), (-0.43, 0), (-0.48, 0.24), (-0.36, 0.2)], dark(colour))
    p.shape([(-0.12, -0.22), (0.02, -0.4), (0.2, -0.3), (0.2, -0.16)], dark(colour))
    p.shape([(-0.02, 0.22), (0.0, 0.38), (0.14, 0.34), (0.14, 0.2)], dark(colour))
    p.shape([(-0.29, 0), (-0.12, -0.2), (0.12, -0.27), (0.35, -0.18), (0.46, 0.02), (0.35, 0.19), (0.12, 0.26),
             (-0.12, 0.2)], colour)
    p.shape([(-0.16, 0.1), (0.1, 0.12), (0.38, 0.1), (0.28, 0.2), (0.12, 0.23), (-0.08, 0.18)], light(colour), 0)
    if p.fine:
        for x, y in ((-0.12, -0.06), (-0.12, 0.05), (0.0, -0.11), (-0.01, 0), (0.04, 0.1)):
            p.stroke([(x, y - 0.05), (x - 0.045, y), (x, y + 0.05)], dark(colour), 0.02)
        p.ellipse(0.3, 0.09, 0.05, 0.032, (255, 120, 130, 130), 0)
    if mood == "sleepy":
        p.stroke([(0.16, -0.06), (0.2, -0.02), (0.26, -0.02), (0.3, -0.06)], ink_on(colour), 0.03)
    else:
        p.ellipse(0.23, -0.06, 0.085, 0.09, WHITE, p.line * 0.6)
        p.ellipse(0.25, -0.05, 0.035 if mood == "shocked" else 0.052, 0.04 if mood == "shocked" else 0.056, INK, 0)
        p.ellipse(0.235, -0.075, 0.018, 0.018, WHITE, 0)
        if mood == "smug":
            p.polygon([(0.13, -0.17), (0.33, -0.17), (0.33, -0.07), (0.13, -0.07)], dark(colour), 0)
    if mood == "shocked":
        p.ellipse(0.42, 0.07, 0.03, 0.04, (150, 40, 54), p.line * 0.6)
    else:
        p.stroke([(0.37, 0.07), (0.4, 0.1), (0.44, 0.085)], ink_on(colour), 0.024)


STANDING = {"arms": ([(-0.12, 0.02), (-0.22, 0.12), (-0.24, 0.22)], [(0.12, 0.02), (0.22, 0.12), (0.24, 0.22)]),
            "legs": ([(-0.07, 0.22), (-0.08, 0.44)], [(0.07, 0.22), (0.08, 0.44)])}
CHEERING = {**STANDING,
            "arms": ([(-0.12, 0.03), (-0.26, -0.06), (-0.3, -0.24)], [(0.12, 0.03), (0.26, -0.06), (0.3, -0.24)])}
RUNNING = {"arms": ([(-0.11, 0.03), (-0.25, 0.1), (-0.32, -0.02)], [(0.11, 0.03), (0.24, 0.1), (0.34, 0.0)]),
           "legs": ([(-0.05, 0.22), (-0.2, 0.3), (-0.36, 0.26)], [(0.06, 0.22), (0.24, 0.26), (0.26, 0.44)])}


def person(p: Pose, colour: Colour, mood: str, limbs: dict = STANDING, hair: Colour = HAIR[0]) -> None:
    """A person with a large head, in a shirt of the colour; `limbs` are the arms and legs of STANDING, RUNNING, …"""
    trousers = (70, 84, 120) if colour[2] < 150 or colour[0] > 180 else (110, 92, 78)
    for leg in limbs["legs"]:
        p.limb(leg, trousers, 0.085)
        p.ellipse(leg[-1][0] + 0.03, leg[-1][1] + 0.015, 0.065, 0.035, (90, 60, 50), p.line * 0.7)
    for arm in limbs["arms"]:
        p.limb(arm, colour, 0.075)
        p.ellipse(*arm[-1], 0.045, 0.045, SKIN, p.line * 0.7)
    p.shape([(-0.13, -0.03), (0.13, -0.03), (0.17, 0.14), (0.15, 0.27), (-0.15, 0.27), (-0.17, 0.14)], colour)
    p.ellipse(0, -0.24, 0.21, 0.2, hair)
    for side in (-1, 1):
        p.ellipse(side * 0.2, -0.2, 0.035, 0.05, SKIN, p.line * 0.7)
    p.ellipse(0, -0.2, 0.19, 0.175, SKIN, p.line * 0.4)
    p.shape([(-0.2, -0.22), (-0.17, -0.4), (0.02, -0.46), (0.18, -0.38), (0.2, -0.22), (0.1, -0.31), (0, -0.28),
             (-0.1, -0.32)], hair, 0)
    face(p.at(0, -0.19, 1), mood, 0.085, 0.05, 0.1)
