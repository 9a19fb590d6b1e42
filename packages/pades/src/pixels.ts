/** Two pictures of a page side by side: where they differ. Pure arithmetic; who draws the pages is another's matter. */

/** Red, green, blue, alpha, a byte each, row by row. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly rgba: Uint8Array | Uint8ClampedArray
}

/** A rectangle in pixels from the upper left corner. */
export interface PixelBox {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

export interface PictureDifference {
  /** Pixels that differ visibly. */
  readonly pixels: number
  /** Where they are, in few rectangles, largest first. */
  readonly boxes: readonly PixelBox[]
}

/** Smaller differences of a channel are what drawing the same thing twice may give. */
const VISIBLE = 24
const CELL = 16
const MAX_BOXES = 40

/** Compares two pictures; where one is smaller, what the other has beyond it differs. */
export function comparePictures(before: Picture, after: Picture): PictureDifference {
  const width = Math.max(before.width, after.width)
  const height = Math.max(before.height, after.height)
  const columns = Math.ceil(width / CELL)
  const rows = Math.ceil(height / CELL)
  const cells = new Uint8Array(columns * rows)
  let pixels = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!differs(before, after, x, y)) continue
      pixels++
      cells[Math.floor(y / CELL) * columns + Math.floor(x / CELL)] = 1
    }
  }
  return { pixels, boxes: boxesOf(cells, columns, rows, width, height) }
}

function differs(before: Picture, after: Picture, x: number, y: number): boolean {
  const inBefore = x < before.width && y < before.height
  const inAfter = x < after.width && y < after.height
  if (!inBefore || !inAfter) return true
  const a = (y * before.width + x) * 4
  const b = (y * after.width + x) * 4
  for (let channel = 0; channel < 4; channel++) {
    const gap = (before.rgba[a + channel] as number) - (after.rgba[b + channel] as number)
    if (gap > VISIBLE || gap < -VISIBLE) return true
  }
  return false
}

/** Joins neighbouring cells, gaps of one cell included, into rectangles. */
function boxesOf(
  cells: Uint8Array,
  columns: number,
  rows: number,
  width: number,
  height: number,
): PixelBox[] {
  const boxes: PixelBox[] = []
  for (let start = 0; start < cells.length; start++) {
    if (cells[start] !== 1) continue
    let [left, right, top, bottom] = [columns, 0, rows, 0]
    const queue = [start]
    cells[start] = 2
    for (let cell = queue.pop(); cell !== undefined; cell = queue.pop()) {
      const [row, column] = [Math.floor(cell / columns), cell % columns]
      left = Math.min(left, column)
      right = Math.max(right, column)
      top = Math.min(top, row)
      bottom = Math.max(bottom, row)
      for (let y = Math.max(0, row - 2); y <= Math.min(rows - 1, row + 2); y++) {
        for (let x = Math.max(0, column - 2); x <= Math.min(columns - 1, column + 2); x++) {
          const next = y * columns + x
          if (cells[next] !== 1) continue
          cells[next] = 2
          queue.push(next)
        }
      }
    }
    const [x, y] = [left * CELL, top * CELL]
    boxes.push({
      x,
      y,
      width: Math.min(width, (right + 1) * CELL) - x,
      height: Math.min(height, (bottom + 1) * CELL) - y,
    })
  }
  return boxes.sort((a, b) => b.width * b.height - a.width * a.height).slice(0, MAX_BOXES)
}

/** The later picture, pale, with every differing pixel red, on the size of the larger of both. */
export function differencePicture(before: Picture, after: Picture): Picture {
  const width = Math.max(before.width, after.width)
  const height = Math.max(before.height, after.height)
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * 4
      if (differs(before, after, x, y)) {
        rgba.set([214, 40, 40, 255], to)
        continue
      }
      const from = (y * after.width + x) * 4
      const grey =
        ((after.rgba[from] ?? 255) + (after.rgba[from + 1] ?? 255) + (after.rgba[from + 2] ?? 255)) / 3
      rgba.fill(255 - (255 - grey) * 0.35, to, to + 3)
    }
  }
  return { width, height, rgba }
}
