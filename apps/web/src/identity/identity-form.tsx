import { useMutation } from '@tanstack/react-query'
import type { Environment, IdentityState } from '@yinxin/sdk/wire'
import { type FormEvent, useState } from 'react'
import { call } from '../api/client.ts'
import { Button, TextField } from '../design/controls.tsx'
import { Note, ProblemNote } from '../design/notices.tsx'
import { useWords } from '../words/words.tsx'
import { idNumberLooksRight } from './id-number.ts'

interface CheckAnswer {
  identity: IdentityState
  result: 'passed' | 'failed'
  simulated: boolean
  message: string
}

/** Name and ID number of the person who is logged in, checked by the installation's provider. */
export function IdentityForm({
  environment,
  initialName,
  onPassed,
}: {
  environment: Environment | undefined
  initialName?: string | null
  onPassed(): void
}) {
  const { t } = useWords()
  const [name, setName] = useState(initialName ?? '')
  const [idNumber, setIdNumber] = useState('')
  const [tried, setTried] = useState(false)
  const check = useMutation({
    mutationFn: () =>
      call<CheckAnswer>('POST', '/me/identity-checks', {
        body: { name: name.trim(), idType: 'id_card', idNumber: idNumber.trim().toUpperCase() },
      }),
    onSuccess: (answer) => {
      if (answer.result === 'passed') onPassed()
    },
  })
  const nameWrong = tried && !name.trim() ? t('nameMissing') : undefined
  const numberWrong = tried && !idNumberLooksRight(idNumber) ? t('idNumberWrong') : undefined
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setTried(true)
    if (name.trim() && idNumberLooksRight(idNumber)) check.mutate()
  }
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <p className="muted">{t('identityLead')}</p>
      {environment?.simulators.some((simulator) => simulator.includes('identity')) && (
        <Note tone="wait">{t('identitySimulated')}</Note>
      )}
      <TextField
        label={t('name')}
        name="name"
        autoComplete="name"
        value={name}
        error={nameWrong}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label={t('idNumber')}
        name="id-number"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
        maxLength={18}
        value={idNumber}
        error={numberWrong}
        onChange={(event) => setIdNumber(event.target.value)}
      />
      {check.data?.result === 'failed' && (
        <Note tone="bad">
          <strong>{t('identityFailed')}</strong>
          <p>{check.data.message}</p>
        </Note>
      )}
      <ProblemNote error={check.error} />
      <Button look="primary" type="submit" wide busy={check.isPending}>
        {t('identitySubmit')}
      </Button>
    </form>
  )
}
