import { useMutation } from '@tanstack/react-query'
import type { Me, Seal, SealKind } from '@yinxin/sdk/wire'
import { useRef, useState } from 'react'
import { call } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { Button, SelectField, TextField } from '../design/controls.tsx'
import { ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { SealSketch } from '../seals/seal-sketch.tsx'
import { useWords } from '../words/words.tsx'

export const sealKindWord = {
  official: 'sealOfficial',
  contract: 'sealContract',
  finance: 'sealFinance',
  'legal-representative': 'sealLegal',
  personal: 'sealPersonal',
} as const

const companyKinds: SealKind[] = ['official', 'contract', 'finance', 'legal-representative']

export function NewSealSheet({ me, onClose, onMade }: { me: Me; onClose(): void; onMade(): void }) {
  const { t } = useWords()
  const person = me.acting.kind === 'person'
  const [kind, setKind] = useState<SealKind>(person ? 'personal' : 'official')
  const [name, setName] = useState('')
  const [number, setNumber] = useState('')
  const [center, setCenter] = useState('')
  const [text, setText] = useState(me.person.name ?? '')
  const key = useRef(newKey())
  const title = name.trim() || (person ? t('sealsText') : t(sealKindWord[kind]))
  const round = kind !== 'personal' && kind !== 'legal-representative'
  const create = useMutation({
    mutationFn: () =>
      call<Seal>('POST', '/seals', {
        body: person
          ? { kind, name: title, text: text.trim() }
          : {
              kind,
              name: title,
              ...(round && center.trim() ? { centerText: center.trim() } : {}),
              ...(round && number ? { number } : {}),
            },
        idempotencyKey: key.current,
      }),
    onSuccess: () => {
      onMade()
      onClose()
    },
  })
  const edit =
    <Value,>(set: (value: Value) => void) =>
    (value: Value) => {
      key.current = newKey()
      set(value)
    }
  return (
    <Sheet
      broad
      title={t(person ? 'sealsText' : 'sealsNew')}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t('cancel')}</Button>
          <Button
            look="primary"
            busy={create.isPending}
            disabled={person && !text.trim()}
            onClick={() => create.mutate()}
          >
            {t('sealsCreate')}
          </Button>
        </>
      }
    >
      <div className="seal-form">
        <div className="stack">
          {!person && (
            <SelectField
              label={t('sealsKind')}
              value={kind}
              options={companyKinds.map((value) => ({ value, label: t(sealKindWord[value]) }))}
              onChange={edit(setKind)}
            />
          )}
          <TextField
            label={t('noted', { what: t('sealsName'), note: t('optional') })}
            placeholder={title}
            value={name}
            maxLength={40}
            onChange={(event) => edit(setName)(event.target.value)}
          />
          {person && (
            <TextField
              label={t('name')}
              value={text}
              maxLength={8}
              onChange={(event) => edit(setText)(event.target.value)}
            />
          )}
          {round && (
            <>
              <TextField
                label={t('noted', { what: t('sealsCenter'), note: t('optional') })}
                placeholder={kind === 'contract' ? '合同专用章' : kind === 'finance' ? '财务专用章' : ''}
                value={center}
                maxLength={8}
                onChange={(event) => edit(setCenter)(event.target.value)}
              />
              <TextField
                label={t('noted', { what: t('sealsNumber'), note: t('optional') })}
                hint={t('sealsNumberHint')}
                inputMode="numeric"
                value={number}
                maxLength={13}
                onChange={(event) => edit(setNumber)(event.target.value.replace(/\D/g, ''))}
              />
            </>
          )}
          <ProblemNote error={create.error} />
        </div>
        <figure className="seal-preview">
          <SealSketch
            kind={kind}
            name={person ? text : kind === 'legal-representative' ? '法人印章' : me.acting.name}
            centerText={center.trim()}
            number={number}
          />
          <figcaption className="muted small">{t('sealsPreviewHint')}</figcaption>
        </figure>
      </div>
    </Sheet>
  )
}
