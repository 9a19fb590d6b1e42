// Four tables, so that four bytes are taken per step; a bundle may carry 100 MB documents.
const TABLES = makeTables()

function makeTables(): Uint32Array[] {
  const first = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    first[byte] = crc >>> 0
  }
  const tables = [first]
  for (let n = 1; n < 4; n++) {
    const before = tables[n - 1] as Uint32Array
    tables.push(before.map((crc) => ((first[crc & 0xff] as number) ^ (crc >>> 8)) >>> 0))
  }
  return tables
}

/** CRC-32 as ZIP uses it; give the last result as `start` to go on with the next chunk. */
export function crc32(bytes: Uint8Array, start = 0): number {
  const [t0, t1, t2, t3] = TABLES as [Uint32Array, Uint32Array, Uint32Array, Uint32Array]
  let crc = ~start
  let i = 0
  for (const end = bytes.length - 3; i < end; i += 4) {
    crc ^=
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24)
    crc =
      (t3[crc & 0xff] as number) ^
      (t2[(crc >>> 8) & 0xff] as number) ^
      (t1[(crc >>> 16) & 0xff] as number) ^
      (t0[crc >>> 24] as number)
  }
  for (; i < bytes.length; i++) crc = (t0[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}
