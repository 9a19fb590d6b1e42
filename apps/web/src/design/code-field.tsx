import { useEffect, useState } from 'react'
import { useWords } from '../words/words.tsx'
import { Button, TextField } from './controls.tsx'

/** A one-time code with its sending button, which counts down before it may be asked again. */
export function CodeField({
  value,
  onChange,
  onSend,
  sending,
  sentAt,
  hint,
  error,
}: {
  value: string
  onChange(code: string): void
  onSend(): void
  sending: boolean
  /** When the last code went out, in ms; null before the first. */
  sentAt: number | null
  hint?: string | undefined
  error?: string | undefined
}) {
  const { t } = useWords()
  const seconds = useCountdown(sentAt === null ? 0 : sentAt + 60_000)
  return (
    <div className="code-row">
      <TextField
        label={t('code')}
        className="code"
        name="one-time-code"
        autoComplete="one-time-code"
        inputMode="numeric"
        pattern="[0-9]*"
        maxLength={6}
        placeholder={t('codeHint')}
        value={value}
        hint={hint}
        error={error}
        onChange={(event) => onChange(event.target.value.replace(/\D/g, '').slice(0, 6))}
      />
      <Button disabled={seconds > 0} busy={sending} onClick={onSend}>
        {seconds > 0 ? t('resendIn', { seconds }) : t('sendCode')}
      </Button>
    </div>
  )
}

/** Whole seconds until a moment, ticking; 0 when it has passed. */
function useCountdown(untilMs: number): number {
  const [now, setNow] = useState(() => Date.now())
  const left = Math.max(0, Math.ceil((untilMs - now) / 1000))
  useEffect(() => {
    setNow(Date.now())
    if (untilMs <= Date.now()) return
    const timer = window.setInterval(() => {
      setNow(Date.now())
      if (Date.now() >= untilMs) window.clearInterval(timer)
    }, 500)
    return () => window.clearInterval(timer)
  }, [untilMs])
  return left
}
