import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { call } from '../api/client.ts'
import { CodeField } from '../design/code-field.tsx'
import { Button, Segments, TextField } from '../design/controls.tsx'
import { ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { useWords } from '../words/words.tsx'
import { changeOf, flawOf, type PasswordDraft } from './password-change.ts'

const EMPTY: PasswordDraft = { way: 'code', code: '', oldPassword: '', password: '', again: '' }

/** Sets the own password, for those who came in by code, or replaces it. */
export function PasswordSheet({ login, onClose }: { login: string; onClose(): void }) {
  const { t } = useWords()
  const [draft, setDraft] = useState(EMPTY)
  const [tried, setTried] = useState(false)
  const [sentAt, setSentAt] = useState<number | null>(null)
  const edit = (change: Partial<PasswordDraft>) => setDraft({ ...draft, ...change })
  const send = useMutation({
    mutationFn: () => call('POST', '/me/password-codes'),
    onSuccess: () => setSentAt(Date.now()),
  })
  const save = useMutation({ mutationFn: () => call('PUT', '/me/password', { body: changeOf(draft) }) })
  const flaw = tried ? flawOf(draft) : null
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (flawOf(draft) === null) save.mutate()
  }
  return (
    <Sheet title={t('passwordSet')} onClose={onClose}>
      {save.isSuccess ? (
        <div className="stack">
          <p role="status">{t('passwordDone')}</p>
          <Button look="primary" onClick={onClose}>
            {t('close')}
          </Button>
        </div>
      ) : (
        <form className="stack" onSubmit={submit} noValidate>
          {/* Lets password managers know whose password this is. */}
          <input type="hidden" name="username" autoComplete="username" value={login} readOnly />
          <Segments
            label={t('passwordSet')}
            value={draft.way}
            onChange={(way) => edit({ way })}
            options={[
              { value: 'code', label: t('passwordByCode') },
              { value: 'old', label: t('passwordByOld') },
            ]}
          />
          {draft.way === 'code' ? (
            <CodeField
              value={draft.code}
              onChange={(code) => edit({ code })}
              sending={send.isPending}
              sentAt={sentAt}
              hint={sentAt ? t('codeSent') : undefined}
              error={flaw === 'proof-missing' ? t('passwordProofMissing') : undefined}
              onSend={() => send.mutate()}
            />
          ) : (
            <TextField
              label={t('passwordOld')}
              type="password"
              autoComplete="current-password"
              value={draft.oldPassword}
              error={flaw === 'proof-missing' ? t('passwordProofMissing') : undefined}
              onChange={(event) => edit({ oldPassword: event.target.value })}
            />
          )}
          <TextField
            label={t('passwordNew')}
            type="password"
            autoComplete="new-password"
            value={draft.password}
            hint={t('passwordRule')}
            error={flaw === 'short' ? t('passwordRule') : undefined}
            onChange={(event) => edit({ password: event.target.value })}
          />
          <TextField
            label={t('passwordAgain')}
            type="password"
            autoComplete="new-password"
            value={draft.again}
            error={flaw === 'different' ? t('passwordDifferent') : undefined}
            onChange={(event) => edit({ again: event.target.value })}
          />
          <ProblemNote error={save.error ?? (draft.way === 'code' ? send.error : null)} />
          <Button look="primary" type="submit" wide busy={save.isPending}>
            {t('passwordSet')}
          </Button>
        </form>
      )}
    </Sheet>
  )
}
