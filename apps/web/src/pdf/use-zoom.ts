import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

const smallest = 1
const largest = 4

/** The width that pages get inside a scrolling box: its own width, times a zoom that two fingers change. */
export function useZoom(box: RefObject<HTMLElement | null>, widest = 860, margin = 0) {
  const [available, setAvailable] = useState(0)
  const [zoom, setZoom] = useState(1)
  /** Where the content point under the fingers shall stay after the next layout. */
  const anchor = useRef<{ factor: number; x: number; y: number } | null>(null)

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const measure = () => setAvailable(element.clientWidth)
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => observer.disconnect()
  }, [box])

  const zoomTo = useCallback(
    (wanted: number, x?: number, y?: number) => {
      setZoom((before) => {
        const next = Math.min(largest, Math.max(smallest, wanted))
        const element = box.current
        if (element) {
          anchor.current = {
            factor: next / before,
            x: x ?? element.clientWidth / 2,
            y: y ?? element.clientHeight / 2,
          }
        }
        return next
      })
    },
    [box],
  )

  // biome-ignore lint/correctness/useExhaustiveDependencies: runs after the layout that a new zoom brought
  useLayoutEffect(() => {
    const element = box.current
    const held = anchor.current
    anchor.current = null
    if (!element || !held) return
    element.scrollLeft = (element.scrollLeft + held.x) * held.factor - held.x
    element.scrollTop = (element.scrollTop + held.y) * held.factor - held.y
  }, [zoom, box])

  useEffect(() => {
    const element = box.current
    if (!element) return
    let startDistance = 0
    let startZoom = 1
    let current = zoom
    const distance = (touches: TouchList) => {
      const [a, b] = [touches[0], touches[1]]
      return a && b ? Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) : 0
    }
    const begin = (event: TouchEvent) => {
      if (event.touches.length !== 2) return
      startDistance = distance(event.touches)
      startZoom = current
    }
    const move = (event: TouchEvent) => {
      const [a, b] = [event.touches[0], event.touches[1]]
      if (!a || !b || startDistance === 0) return
      event.preventDefault()
      const area = element.getBoundingClientRect()
      current = Math.min(largest, Math.max(smallest, (startZoom * distance(event.touches)) / startDistance))
      zoomTo(current, (a.clientX + b.clientX) / 2 - area.left, (a.clientY + b.clientY) / 2 - area.top)
    }
    const end = () => {
      startDistance = 0
    }
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey) return
      event.preventDefault()
      const area = element.getBoundingClientRect()
      zoomTo(zoom * Math.exp(-event.deltaY / 300), event.clientX - area.left, event.clientY - area.top)
    }
    element.addEventListener('touchstart', begin, { passive: true })
    element.addEventListener('touchmove', move, { passive: false })
    element.addEventListener('touchend', end)
    element.addEventListener('wheel', wheel, { passive: false })
    return () => {
      element.removeEventListener('touchstart', begin)
      element.removeEventListener('touchmove', move)
      element.removeEventListener('touchend', end)
      element.removeEventListener('wheel', wheel)
    }
  }, [box, zoom, zoomTo])

  const pageWidth = Math.floor(Math.min(widest, Math.max(0, available - margin)) * zoom)
  return { zoom, zoomTo, pageWidth }
}
