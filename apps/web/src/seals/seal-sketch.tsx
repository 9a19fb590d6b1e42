import type { SealKind } from '@yinxin/sdk/wire'

/**
 * A sketch of a seal while its form is filled in, in the proportions of GB/T 33481: 40 mm across,
 * 1 mm border, five-pointed star, name on the upper arc. The binding drawing is the server's.
 */
export function SealSketch({
  kind,
  name,
  centerText,
  number,
}: {
  kind: SealKind
  name: string
  centerText: string
  number: string
}) {
  if (kind === 'personal' || kind === 'legal-representative') return <SquareSketch name={name} />
  const characters = [...name].slice(0, 28)
  const radius = 15.6
  // The arc opens with the length of the name; beyond 16 characters they become narrower instead.
  const sweep = Math.min(250, 30 + characters.length * 15.5)
  const step = characters.length > 1 ? sweep / (characters.length - 1) : 0
  const narrow = Math.min(1, ((sweep / 360) * 2 * Math.PI * radius) / (characters.length * 4.3))
  const digits = [...number].slice(0, 13)
  const middle = centerText || (kind === 'contract' ? '合同专用章' : kind === 'finance' ? '财务专用章' : '')
  return (
    <svg className="seal-sketch" viewBox="-20.5 -20.5 41 41" role="img" aria-label={name}>
      <circle r="19.5" fill="none" stroke="currentColor" strokeWidth="1" />
      <path d={star(7)} fill="currentColor" transform={middle ? 'translate(0 -1.2)' : undefined} />
      <g className="seal-type" fontSize="4.9" textAnchor="middle">
        {characters.map((character, index) => (
          <text
            // biome-ignore lint/suspicious/noArrayIndexKey: the place on the arc is the identity
            key={index}
            transform={`rotate(${characters.length > 1 ? -sweep / 2 + index * step : 0}) translate(0 ${-radius + 1.7}) scale(${narrow} 1)`}
          >
            {character}
          </text>
        ))}
      </g>
      {middle && (
        <text
          className="seal-type"
          y="11.4"
          fontSize="4"
          textAnchor="middle"
          textLength={Math.min(24, middle.length * 4.4)}
        >
          {middle}
        </text>
      )}
      <g fontSize="1.9" textAnchor="middle" fontWeight="700">
        {digits.map((digit, index) => (
          <text
            // biome-ignore lint/suspicious/noArrayIndexKey: the place on the arc is the identity
            key={index}
            transform={`rotate(${((digits.length - 1) / 2 - index) * 7}) translate(0 17.6)`}
          >
            {digit}
          </text>
        ))}
      </g>
    </svg>
  )
}

function SquareSketch({ name }: { name: string }) {
  const characters = [...(name || '印')].slice(0, 4)
  const all = characters.length < 4 ? [...characters, '印'].slice(0, 4) : characters
  const right = all.slice(0, Math.ceil(all.length / 2))
  const left = all.slice(Math.ceil(all.length / 2))
  return (
    <svg className="seal-sketch" viewBox="-10.5 -10.5 21 21" role="img" aria-label={name}>
      <rect
        x="-9.5"
        y="-9.5"
        width="19"
        height="19"
        rx="0.8"
        fill="none"
        stroke="currentColor"
        strokeWidth="1"
      />
      <g className="seal-type" fontSize="8" textAnchor="middle">
        {[right, left].map((column, side) =>
          column.map((character, row) => (
            <text
              // biome-ignore lint/suspicious/noArrayIndexKey: the place is the identity
              key={`${side}${row}`}
              x={side === 0 ? 4.3 : -4.3}
              y={column.length === 1 ? 3 : row * 8.4 - 1.2}
            >
              {character}
            </text>
          )),
        )}
      </g>
    </svg>
  )
}

/** A five-pointed star around the origin. */
function star(radius: number): string {
  const inner = radius * 0.381966
  return `${Array.from({ length: 10 }, (_, index) => {
    const angle = (index * 36 - 90) * (Math.PI / 180)
    const size = index % 2 === 0 ? radius : inner
    return `${index === 0 ? 'M' : 'L'}${(Math.cos(angle) * size).toFixed(3)} ${(Math.sin(angle) * size).toFixed(3)}`
  }).join('')}Z`
}
