import { useMutation } from '@tanstack/react-query'
import type { Ceremony, SignInput, SignResult } from '@yinxin/sdk/wire'
import { type Dispatch, type FormEvent, type SetStateAction, useId, useRef, useState } from 'react'
import { ApiProblem, call } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { CodeField } from '../design/code-field.tsx'
import { Button } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { Note, ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { groupHash } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { type CeremonyDraft, forgetDraft, InkImage, neededMarks, sealImage } from './marks.tsx'

/** The one binding step: fingerprint, consent, code. */
export function Confirm({
  token,
  ceremony,
  draft,
  setDraft,
  onClose,
  onStale,
  onRedraw,
}: {
  token: string
  ceremony: Ceremony
  draft: CeremonyDraft
  setDraft: Dispatch<SetStateAction<CeremonyDraft>>
  onClose(): void
  /** The server's state moved on: signed, or the file changed under the reader. */
  onStale(): void
  onRedraw(): void
}) {
  const { t } = useWords()
  const task = ceremony.task
  const form = useId()
  const [consent, setConsent] = useState(false)
  const [code, setCode] = useState('')
  const [allDigits, setAllDigits] = useState(false)
  const [tried, setTried] = useState(false)
  const key = useRef(newKey())
  const path = `/ceremonies/${encodeURIComponent(token)}`
  const needs = neededMarks(ceremony)
  const documents = task?.documents ?? []

  const send = useMutation({
    mutationFn: () => call<{ sentTo: string; expiresAt: string }>('POST', `${path}/sign-code`),
    onSuccess: () => setDraft((before) => ({ ...before, codeSentAt: Date.now() })),
  })
  const sign = useMutation({
    mutationFn: () =>
      call<SignResult>('POST', `${path}/sign`, {
        body: signInput(code, ceremony, draft, needs),
        idempotencyKey: key.current,
      }),
    onSuccess: (result) => {
      if (task) {
        sessionStorage.setItem(`yinxin.signed.${task.id}`, JSON.stringify(result))
        forgetDraft(task.id)
      }
      onStale()
    },
    onError: (error) => {
      if (error instanceof ApiProblem && error.code === 'document_changed') onStale()
    },
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (consent && code.length === 6) sign.mutate()
  }
  const me = ceremony.me
  const corp = ceremony.cover.actor.kind === 'corp' ? task?.actors.find((actor) => actor.mine)?.name : null
  const codeSignError =
    sign.error instanceof ApiProblem && sign.error.code.includes('code') ? sign.error : null

  return (
    <Sheet
      title={t('confirmTitle')}
      onClose={onClose}
      footer={
        <Button look="primary" type="submit" form={form} wide busy={sign.isPending}>
          {sign.isPending ? t('confirmSigning') : t('confirmSign')}
        </Button>
      }
    >
      <form id={form} className="stack confirm" onSubmit={submit} noValidate>
        <div className="confirm-who">
          <div className="grow">
            <span className="muted small">{t('confirmSigner')}</span>
            <strong>{corp ? t('confirmAs', { person: me?.name ?? '', corp }) : (me?.name ?? '')}</strong>
            {me?.identity.verified && (
              <span className="badge good">
                <Icon name="check" size={14} />
                {t('verified')}
              </span>
            )}
          </div>
          <button type="button" className="confirm-mark" onClick={onRedraw} aria-label={t('changeMark')}>
            {needs.seal && draft.sealId && <img src={sealImage(draft.sealId)} alt="" />}
            {needs.ink && draft.ink && <InkImage ink={draft.ink} alt="" />}
            <span className="small muted">{t('changeMark')}</span>
          </button>
        </div>
        <section className="confirm-files">
          <h3>{t('confirmDocuments')}</h3>
          {documents.map((document) => (
            <div key={document.documentId}>
              <p className="clip">{document.name}</p>
              <p className="fingerprint">{groupHash(document.sha256, allDigits ? 64 : 24)}</p>
            </div>
          ))}
          <p className="muted small">
            {t('confirmFingerprint')} ·{' '}
            {!allDigits && (
              <button type="button" className="text-button" onClick={() => setAllDigits(true)}>
                {t('confirmAll')}
              </button>
            )}
          </p>
        </section>
        {needs.ink && draft.ink?.kind === 'drawn' && (
          <label className="check">
            <input
              type="checkbox"
              checked={draft.keepSignature}
              onChange={(event) => setDraft((before) => ({ ...before, keepSignature: event.target.checked }))}
            />
            <span>{t('keepSignature')}</span>
          </label>
        )}
        <label className="check consent">
          <input
            type="checkbox"
            checked={consent}
            aria-invalid={tried && !consent}
            onChange={(event) => setConsent(event.target.checked)}
          />
          <span>{ceremony.consentText}</span>
        </label>
        {tried && !consent && (
          <p className="wrong" role="alert">
            {t('confirmConsentNeeded')}
          </p>
        )}
        <CodeField
          value={code}
          onChange={(next) => {
            setCode(next)
            // A corrected code is a new request; the same code sent again is the same one.
            key.current = newKey()
          }}
          onSend={() => send.mutate()}
          sending={send.isPending}
          sentAt={draft.codeSentAt}
          hint={
            draft.codeSentAt
              ? t('codeSent')
              : t('confirmCodeTo', { contact: me?.contactMasked ?? ceremony.cover.actor.contactMasked ?? '' })
          }
          error={
            codeSignError?.problem.detail ?? (tried && code.length !== 6 ? t('confirmCodeNeeded') : undefined)
          }
        />
        <ProblemNote error={send.error ?? (codeSignError ? null : sign.error)} />
        {sign.isPending && <Note>{t('confirmSlow')}</Note>}
      </form>
    </Sheet>
  )
}

function signInput(
  code: string,
  ceremony: Ceremony,
  draft: CeremonyDraft,
  needs: { ink: boolean; seal: boolean },
): SignInput {
  const input: SignInput = {
    code,
    consent: true,
    documents: (ceremony.task?.documents ?? []).map(({ documentId, sha256 }) => ({ documentId, sha256 })),
  }
  if (needs.seal && draft.sealId) input.sealId = draft.sealId
  if (needs.ink && draft.ink?.kind === 'drawn') {
    input.handwriting = draft.ink.handwriting
    input.keepSignature = draft.keepSignature
  }
  if (needs.ink && draft.ink?.kind === 'stored') input.signatureId = draft.ink.id
  return input
}
