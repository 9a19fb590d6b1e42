import type { CeremonyCover } from '@yinxin/sdk/wire'
import { type ReactNode, useEffect, useRef } from 'react'
import { Button } from '../design/controls.tsx'
import { EnvironmentBand } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'

/** The frame of every step but reading: brand, language, the band that names simulators. */
export function Framed({ cover, children }: { cover?: CeremonyCover | undefined; children: ReactNode }) {
  const { t, language, setLanguage } = useWords()
  return (
    <div className="ceremony">
      <EnvironmentBand environment={cover?.environment} />
      <header className="ceremony-head">
        <span className="brand">
          <i>印信</i>
          {t('product')}
        </span>
        <Button look="quiet" slim icon="globe" onClick={() => setLanguage(language === 'zh' ? 'en' : 'zh')}>
          {t('language')}
        </Button>
      </header>
      <main>{children}</main>
    </div>
  )
}

/** The heading of a step takes the focus, so that a screen reader hears that the page moved on. */
export function StepHeading({ children }: { children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  return (
    <h1 ref={heading} tabIndex={-1} className="step-heading">
      {children}
    </h1>
  )
}
