import type { Handwriting } from '@yinxin/sdk'

type Curve = readonly [from: Point, pull: Point, push: Point, to: Point]
type Point = readonly [x: number, y: number]

/** Strokes of a quick signature as Bézier curves: a frame with an open foot, three bars inside, a long last sweep. */
const CURVES: readonly Curve[] = [
  [
    [70, 52],
    [62, 100],
    [60, 150],
    [34, 196],
  ],
  [
    [70, 54],
    [110, 44],
    [150, 46],
    [160, 58],
  ],
  [
    [160, 58],
    [164, 110],
    [162, 160],
    [140, 176],
  ],
  [
    [88, 88],
    [104, 84],
    [120, 84],
    [140, 82],
  ],
  [
    [114, 66],
    [116, 90],
    [114, 104],
    [112, 122],
  ],
  [
    [92, 134],
    [104, 132],
    [130, 126],
    [134, 140],
  ],
  [
    [212, 60],
    [244, 52],
    [268, 56],
    [244, 84],
  ],
  [
    [244, 84],
    [262, 110],
    [276, 124],
    [206, 120],
  ],
  [
    [242, 92],
    [246, 130],
    [250, 172],
    [222, 166],
  ],
  [
    [352, 40],
    [362, 50],
    [366, 56],
    [368, 66],
  ],
  [
    [312, 84],
    [346, 74],
    [396, 70],
    [418, 78],
  ],
  [
    [362, 92],
    [340, 140],
    [346, 150],
    [402, 182],
  ],
  [
    [392, 104],
    [380, 150],
    [352, 184],
    [308, 198],
  ],
  [
    [296, 136],
    [350, 122],
    [440, 112],
    [556, 128],
  ],
]

const POINTS = 16
const STEP_MS = 12

/** A signature as a finger would draw it: pressure rises and falls along each stroke, time passes between them. */
export function drawnSignature(): Handwriting {
  let t = 0
  const strokes = CURVES.map((curve) => {
    t += 80
    const points = Array.from({ length: POINTS }, (_, i) => {
      const along = i / (POINTS - 1)
      const [x, y] = onCurve(curve, along)
      t += STEP_MS
      return { x, y, t, pressure: round(0.35 + 0.5 * Math.sin(Math.PI * (0.15 + 0.8 * along))) }
    })
    return { points }
  })
  return { width: 600, height: 240, strokes }
}

function onCurve([from, pull, push, to]: Curve, along: number): Point {
  const rest = 1 - along
  const at = (axis: 0 | 1) =>
    rest ** 3 * from[axis] +
    3 * rest ** 2 * along * pull[axis] +
    3 * rest * along ** 2 * push[axis] +
    along ** 3 * to[axis]
  return [round(at(0)), round(at(1))]
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
