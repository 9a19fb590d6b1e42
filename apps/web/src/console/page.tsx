import type { Me } from '@yinxin/sdk/wire'
import { createContext, type ReactNode, use } from 'react'

const Identity = createContext<Me | null>(null)

export const IdentityProvider = Identity

/** Who is logged in; the console renders nothing before it knows. */
export function useIdentity(): Me {
  const me = use(Identity)
  if (!me) throw new Error('useIdentity stands outside the console')
  return me
}

/** The head of a console page: what this is, and its one main action. */
export function PageHead({
  title,
  lead,
  children,
}: {
  title: ReactNode
  lead?: ReactNode
  children?: ReactNode
}) {
  return (
    <header className="page-head">
      <div className="grow">
        <h1>{title}</h1>
        {lead && <p className="muted">{lead}</p>}
      </div>
      {children}
    </header>
  )
}
