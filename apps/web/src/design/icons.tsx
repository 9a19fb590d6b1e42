import type { ReactNode } from 'react'

/** The whole icon set, drawn on a 20-unit grid with one stroke width. */
const shapes = {
  home: <path d="M3 9.5 10 4l7 5.5V16a1 1 0 0 1-1 1h-3.5v-4.5h-5V17H4a1 1 0 0 1-1-1Z" />,
  task: <path d="M5 3h7l4 4v10H5zM12 3v4h4M8 11h5M8 14h3" />,
  seal: <path d="M7.5 11.5c0-2-1.5-2.6-1.5-5a4 4 0 0 1 8 0c0 2.4-1.5 3-1.5 5M4 11.5h12V15H4zM5 17.5h10" />,
  company: <path d="M3 17h14M5 17V4h7v13M12 8h4v9M7.5 7h2M7.5 10h2M7.5 13h2" />,
  shield: <path d="M10 3 4 5v5c0 3.6 2.4 6 6 7.5 3.6-1.5 6-3.9 6-7.500V5zM7.3 10l2 2 3.5-3.7" />,
  code: <path d="m7 6-4 4 4 4M13 6l4 4-4 4M11.5 4l-3 12" />,
  check: <path d="m4.5 10.5 3.5 3.5 7.5-8" />,
  clock: <path d="M10 3.500a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 6.500V10l2.5 1.5" />,
  cross: <path d="m5 5 10 10M15 5 5 15" />,
  plus: <path d="M10 4v12M4 10h12" />,
  minus: <path d="M4 10h12" />,
  down: <path d="m5 8 5 5 5-5" />,
  right: <path d="m8 5 5 5-5 5" />,
  left: <path d="m12 5-5 5 5 5" />,
  download: <path d="M10 3v9.500M6 9l4 4 4-4M4 16.500h12" />,
  upload: <path d="M10 13V3.500M6 7l4-4 4 4M4 16.500h12" />,
  search: <path d="M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4m3.7 8.700L16.5 16.5" />,
  pen: <path d="m4 16 1-4L13.5 3.500l3 3L8 15zM11.5 5.500l3 3" />,
  bell: <path d="M5 14V9a5 5 0 0 1 10 0v5l1.5 1h-13zM8.5 17.500h3" />,
  link: (
    <path d="M8.5 11.500a3 3 0 0 0 4.3 0l2.5-2.500A3 3 0 0 0 11 4.700L10 5.700M11.5 8.500a3 3 0 0 0-4.3 0L4.7 11A3 3 0 0 0 9 15.300l1-1" />
  ),
  trash: <path d="M4 6h12M8 6V4h4v2M5.5 6l.7 11h7.600l.7-11M8.5 9v5M11.5 9v5" />,
  warning: <path d="M10 3.5 2.5 16.500h15zM10 8.500v3.500M10 14.200v.3" />,
  info: <path d="M10 3.500a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M10 9.500v4M10 6.700v.3" />,
  person: <path d="M10 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6M4 17c.5-3.5 2.8-5 6-5s5.5 1.5 6 5" />,
  calendar: <path d="M4 5.500h12v11H4zM4 9h12M7 3.500v3M13 3.500v3" />,
  globe: (
    <path d="M10 3.500a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M3.5 10h13M10 3.500c4 4 4 9 0 13-4-4-4-9 0-13" />
  ),
  exit: <path d="M8 4H4v12h4M8 10h9M14 7l3 3-3 3" />,
  undo: <path d="M4 8h8a4 4 0 0 1 0 8H8M4 8l3.5-3.500M4 8l3.5 3.5" />,
  text: <path d="M4 5h12M10 5v11M7 16h6" />,
} satisfies Record<string, ReactNode>

export type IconName = keyof typeof shapes

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      {shapes[name]}
    </svg>
  )
}
