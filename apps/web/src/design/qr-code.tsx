import qrcode from 'qrcode-generator'

/** A QR code as one SVG path, black on white in every theme because cameras expect that. */
export function QrCode({ text, size = 168 }: { text: string; size?: number }) {
  const code = qrcode(0, 'M')
  code.addData(text)
  code.make()
  const count = code.getModuleCount()
  let path = ''
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < count; column++) {
      if (code.isDark(row, column)) path += `M${column} ${row}h1v1h-1z`
    }
  }
  return (
    <svg
      className="qr"
      width={size}
      height={size}
      viewBox={`-2 -2 ${count + 4} ${count + 4}`}
      role="img"
      aria-label="QR"
    >
      <rect x="-2" y="-2" width={count + 4} height={count + 4} fill="#fff" />
      <path d={path} fill="#1c1b19" shapeRendering="crispEdges" />
    </svg>
  )
}
