import { useMutation } from '@tanstack/react-query'
import type { Ceremony, CeremonyCover } from '@yinxin/sdk/wire'
import { type FormEvent, useState } from 'react'
import { call } from '../api/client.ts'
import { CodeField } from '../design/code-field.tsx'
import { Button } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { Note, ProblemNote } from '../design/notices.tsx'
import { formatTime } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { StepHeading } from './frame.tsx'

/** Who asks whom to sign what and until when; then proof that the visitor owns the contact. */
export function Arrive({
  token,
  cover,
  onArrived,
}: {
  token: string
  cover: CeremonyCover
  onArrived(ceremony: Ceremony): void
}) {
  const { t } = useWords()
  const [code, setCode] = useState('')
  const [sentAt, setSentAt] = useState<number | null>(null)
  const path = `/ceremonies/${encodeURIComponent(token)}`
  const send = useMutation({
    mutationFn: () => call('POST', `${path}/login-code`),
    onSuccess: () => setSentAt(Date.now()),
  })
  const enter = useMutation({
    mutationFn: () =>
      call<{ token: string; ceremony: Ceremony }>('POST', `${path}/session`, { body: { code } }),
    onSuccess: (answer) => onArrived(answer.ceremony),
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (code.length === 6) enter.mutate()
  }
  const contact = cover.actor.contactMasked
  return (
    <div className="arrive">
      <section className="letter">
        <p className="muted">
          {t(cover.actor.role === 'cc' ? 'arriveCopies' : 'arriveAsks', { name: cover.initiatorName })}
        </p>
        <StepHeading>
          <span className="serif">{cover.taskTitle}</span>
        </StepHeading>
        <dl>
          <div>
            <dt>
              <Icon name={cover.actor.kind === 'corp' ? 'company' : 'person'} size={18} /> {t('arriveFor')}
            </dt>
            <dd>{cover.actor.nameMasked}</dd>
          </div>
          <div>
            <dt>
              <Icon name="clock" size={18} /> {t('arriveUntil')}
            </dt>
            <dd>{cover.deadline ? formatTime(cover.deadline) : t('arriveNoDeadline')}</dd>
          </div>
        </dl>
      </section>
      {cover.channel === null || !contact ? (
        <Note tone="wait">
          <p>{t('arriveNoChannel')}</p>
          <a className="button primary" href={`/login?next=${encodeURIComponent(location.pathname)}`}>
            {t('logIn')}
          </a>
        </Note>
      ) : (
        <form className="stack" onSubmit={submit}>
          <p>{t('arriveCodeTo', { contact })}</p>
          <CodeField
            value={code}
            onChange={setCode}
            onSend={() => send.mutate()}
            sending={send.isPending}
            sentAt={sentAt}
            hint={sentAt ? t('codeSent') : t('arriveNotMine')}
          />
          <ProblemNote error={send.error ?? enter.error} />
          <Button look="primary" type="submit" wide disabled={code.length !== 6} busy={enter.isPending}>
            {t('arriveEnter')}
          </Button>
        </form>
      )}
      <p className="muted small assurance">
        <Icon name="shield" size={18} />
        {t('arriveNotBinding')}
      </p>
    </div>
  )
}
