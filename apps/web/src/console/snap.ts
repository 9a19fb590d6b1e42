export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export interface Guides {
  /** Lines to show, in points: x of vertical ones, y of horizontal ones. */
  vertical: number[]
  horizontal: number[]
}

/**
 * Draws a moving box to the lines of its neighbours and of the page when it is within `reach`
 * points, and keeps it on the page. Left edges, right edges and middles attract their like.
 */
export function snap(
  box: Box,
  others: Box[],
  page: { widthPt: number; heightPt: number },
  reach: number,
): { box: Box; guides: Guides } {
  const across = nearest(
    box.x,
    box.width,
    others.map((other) => [other.x, other.width]),
    page.widthPt,
    reach,
  )
  const down = nearest(
    box.y,
    box.height,
    others.map((other) => [other.y, other.height]),
    page.heightPt,
    reach,
  )
  const moved = keepInside({ ...box, x: box.x + across.shift, y: box.y + down.shift }, page)
  return { box: moved, guides: { vertical: across.lines, horizontal: down.lines } }
}

export function keepInside(box: Box, page: { widthPt: number; heightPt: number }): Box {
  const width = Math.min(box.width, page.widthPt)
  const height = Math.min(box.height, page.heightPt)
  return {
    width,
    height,
    x: Math.min(page.widthPt - width, Math.max(0, box.x)),
    y: Math.min(page.heightPt - height, Math.max(0, box.y)),
  }
}

function nearest(
  start: number,
  size: number,
  others: (readonly [number, number])[],
  pageSize: number,
  reach: number,
): { shift: number; lines: number[] } {
  const candidates = [
    { mine: start + size / 2, line: pageSize / 2 },
    ...others.flatMap(([otherStart, otherSize]) => [
      { mine: start, line: otherStart },
      { mine: start + size, line: otherStart + otherSize },
      { mine: start + size / 2, line: otherStart + otherSize / 2 },
    ]),
  ]
  let best = { shift: 0, distance: reach, line: Number.NaN }
  for (const { mine, line } of candidates) {
    const distance = Math.abs(line - mine)
    if (distance < best.distance) best = { shift: line - mine, distance, line }
  }
  return { shift: best.shift, lines: Number.isNaN(best.line) ? [] : [best.line] }
}
