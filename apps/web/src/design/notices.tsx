import type { ActorStatus, Environment, TaskStatus } from '@yinxin/sdk/wire'
import { createContext, type ReactNode, use, useCallback, useRef, useState } from 'react'
import { ApiProblem } from '../api/client.ts'
import { useWords, type WordKey } from '../words/words.tsx'
import { Button } from './controls.tsx'
import { Icon, type IconName } from './icons.tsx'

export function Note({
  tone,
  icon,
  children,
}: {
  tone?: 'bad' | 'wait' | 'good'
  icon?: IconName
  children: ReactNode
}) {
  const fallback = tone === 'good' ? 'check' : tone ? 'warning' : 'info'
  return (
    <div className={`note ${tone ?? ''}`} role={tone === 'bad' ? 'alert' : undefined}>
      <Icon name={icon ?? fallback} size={18} />
      <div className="grow">{children}</div>
    </div>
  )
}

/** A failed request in words: what happened, and the request number to ask about it. */
export function ProblemNote({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  const { t } = useWords()
  if (!error) return null
  const problem = error instanceof ApiProblem ? error.problem : null
  return (
    <Note tone="bad">
      <p>{problem?.detail ?? (error instanceof Error ? error.message : String(error))}</p>
      {problem?.errors && (
        <ul>
          {problem.errors.map((entry) => (
            <li key={`${entry.path}${entry.message}`}>
              <span className="mono">{entry.path}</span> {entry.message}
            </li>
          ))}
        </ul>
      )}
      {problem?.requestId && (
        <p className="muted small">
          {t('requestNumber')} <span className="mono">{problem.requestId}</span>
        </p>
      )}
      {onRetry && (
        <Button slim onClick={onRetry}>
          {t('retry')}
        </Button>
      )}
    </Note>
  )
}

/** Says without being asked what is simulated here; absent only where nothing is. */
export function EnvironmentBand({ environment }: { environment: Environment | undefined }) {
  const { t } = useWords()
  if (!environment) return null
  const { mode, developmentCa, simulators } = environment
  if (mode === 'production' && !developmentCa && simulators.length === 0) return null
  const known: Record<string, WordKey> = {
    'identity-simulator': 'simulator_identity',
    sms: 'simulator_sms',
    mail: 'simulator_mail',
  }
  const names = simulators.map((name) => {
    const key = known[name]
    return key ? t(key as 'simulator_sms') : name
  })
  const parts = [
    mode === 'sandbox' ? t('bandSandbox') : mode === 'development' ? t('bandDevelopment') : null,
    names.length > 0 ? t('bandSimulators', { what: names.join(' / ') }) : null,
    developmentCa ? t('bandCa') : null,
  ].filter((part) => part !== null)
  return (
    <div className="band" role="note">
      <Icon name="warning" size={16} />
      <span>{parts.join(' · ')}</span>
    </div>
  )
}

const taskLooks: Record<TaskStatus, { tone: string; icon: IconName; word: WordKey }> = {
  draft: { tone: '', icon: 'pen', word: 'statusDraft' },
  signing: { tone: 'wait', icon: 'clock', word: 'statusSigning' },
  finished: { tone: 'good', icon: 'check', word: 'statusFinished' },
  rejected: { tone: 'bad', icon: 'cross', word: 'statusRejected' },
  canceled: { tone: '', icon: 'minus', word: 'statusCanceled' },
  expired: { tone: '', icon: 'clock', word: 'statusExpired' },
}

const actorLooks: Record<ActorStatus, { tone: string; icon: IconName; word: WordKey }> = {
  waiting: { tone: '', icon: 'minus', word: 'actorWaiting' },
  ready: { tone: 'wait', icon: 'clock', word: 'actorReady' },
  viewed: { tone: 'wait', icon: 'clock', word: 'actorViewed' },
  signing: { tone: 'wait', icon: 'clock', word: 'actorSigning' },
  signed: { tone: 'good', icon: 'check', word: 'actorSigned' },
  rejected: { tone: 'bad', icon: 'cross', word: 'actorRejected' },
  notified: { tone: '', icon: 'check', word: 'actorNotified' },
}

export function TaskBadge({ status }: { status: TaskStatus }) {
  return <LookBadge look={taskLooks[status]} />
}

export function ActorBadge({ status }: { status: ActorStatus }) {
  return <LookBadge look={actorLooks[status]} />
}

function LookBadge({ look }: { look: { tone: string; icon: IconName; word: WordKey } }) {
  const { t } = useWords()
  return (
    <span className={`badge ${look.tone}`}>
      <Icon name={look.icon} size={14} />
      {t(look.word as 'statusDraft')}
    </span>
  )
}

export function Empty({
  icon,
  title,
  children,
  action,
}: {
  icon: IconName
  title: string
  children?: ReactNode
  action?: ReactNode
}) {
  return (
    <div className="empty">
      <span className="glyph">
        <Icon name={icon} size={30} />
      </span>
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
    </div>
  )
}

export function Bones({ rows = 3, height = 20 }: { rows?: number; height?: number }) {
  const { t } = useWords()
  return (
    <div className="stack tight" role="status" aria-label={t('loading')}>
      {Array.from({ length: rows }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are alike and never reordered
        <div key={index} className="bone" style={{ height, width: `${100 - ((index * 17) % 40)}%` }} />
      ))}
    </div>
  )
}

const Toasts = createContext<(text: string) => void>(() => undefined)

export function ToastProvider({ children }: { children: ReactNode }) {
  const [texts, setTexts] = useState<{ id: number; text: string }[]>([])
  const nextId = useRef(0)
  const show = useCallback((text: string) => {
    const id = nextId.current++
    setTexts((all) => [...all, { id, text }])
    window.setTimeout(() => setTexts((all) => all.filter((toast) => toast.id !== id)), 4_000)
  }, [])
  return (
    <Toasts value={show}>
      {children}
      <div className="toasts" aria-live="polite">
        {texts.map((toast) => (
          <p key={toast.id}>{toast.text}</p>
        ))}
      </div>
    </Toasts>
  )
}

export function useToast(): (text: string) => void {
  return use(Toasts)
}

/** A button that copies, and says when the browser refuses to. */
export function CopyButton({ text, label, slim = true }: { text: string; label?: string; slim?: boolean }) {
  const { t } = useWords()
  const toast = useToast()
  return (
    <Button
      slim={slim}
      icon="link"
      onClick={async () => {
        try {
          await navigator.clipboard.writeText(text)
          toast(t('copied'))
        } catch {
          toast(t('copyFailed'))
        }
      }}
    >
      {label ?? t('copy')}
    </Button>
  )
}
