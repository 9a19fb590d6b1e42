import { useMutation } from '@tanstack/react-query'
import type { Ceremony } from '@yinxin/sdk/wire'
import { useRef, useState } from 'react'
import { call } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { Button, TextArea } from '../design/controls.tsx'
import { Note, ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { useWords } from '../words/words.tsx'

export function RejectSheet({
  token,
  onClose,
  onRejected,
}: {
  token: string
  onClose(): void
  onRejected(ceremony: Ceremony): void
}) {
  const { t } = useWords()
  const [reason, setReason] = useState('')
  const [tried, setTried] = useState(false)
  const key = useRef(newKey())
  const reject = useMutation({
    mutationFn: () =>
      call<Ceremony>('POST', `/ceremonies/${encodeURIComponent(token)}/reject`, {
        body: { reason: reason.trim() },
        idempotencyKey: key.current,
      }),
    onSuccess: onRejected,
  })
  return (
    <Sheet
      title={t('rejectTitle')}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('back')}</Button>
          <Button
            look="danger"
            busy={reject.isPending}
            onClick={() => {
              setTried(true)
              if (reason.trim()) reject.mutate()
            }}
          >
            {t('rejectSubmit')}
          </Button>
        </>
      }
    >
      <div className="stack">
        <Note tone="bad">{t('rejectText')}</Note>
        <div className="row">
          {([t('rejectReason1'), t('rejectReason2'), t('rejectReason3')] as const).map((text) => (
            <Button key={text} slim onClick={() => setReason(text)}>
              {text}
            </Button>
          ))}
        </div>
        <TextArea
          label={t('rejectReason')}
          hint={t('rejectReasonHint')}
          maxLength={500}
          value={reason}
          error={tried && !reason.trim() ? t('rejectReasonMissing') : undefined}
          onChange={(event) => {
            setReason(event.target.value)
            // Another reason is another request.
            key.current = newKey()
          }}
        />
        <ProblemNote error={reject.error} />
      </div>
    </Sheet>
  )
}
