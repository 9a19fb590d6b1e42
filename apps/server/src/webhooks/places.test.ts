import { describe, expect, it } from 'vitest'
import { createPlaces } from './places.ts'

describe('places', () => {
  it('are few per receiver and some in all, and come back once', () => {
    const places = createPlaces({ perKey: 2, total: 3 })
    const first = places.take('a')
    expect(places.take('a')).not.toBeNull()
    expect(places.take('a')).toBeNull()
    const other = places.take('b')
    expect(other).not.toBeNull()
    expect(places.take('b')).toBeNull()
    first?.()
    first?.()
    expect(places.take('b')).not.toBeNull()
    expect(places.take('c')).toBeNull()
    other?.()
    expect(places.take('a')).not.toBeNull()
  })
})
