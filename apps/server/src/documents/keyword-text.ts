/** Where a keyword stands; points from the upper left corner of the page as displayed, pages from 1. */
export interface FoundKeyword {
  page: number
  x: number
  y: number
  width: number
  height: number
}

/** Full-width and half-width forms as one, without spaces. */
export function foldText(text: string): string {
  return text.normalize('NFKC').replace(/\s+/g, '')
}
