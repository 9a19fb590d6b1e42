import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Handwriting, Page, Seal } from '@yinxin/sdk/wire'
import { useRef, useState } from 'react'
import { call } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { Button, IconButton, TextField } from '../design/controls.tsx'
import { Bones, CopyButton, Empty, Note, ProblemNote } from '../design/notices.tsx'
import { DrawingPad } from '../drawing/pad.tsx'
import { formatDay } from '../words/dates.ts'
import { useWords } from '../words/words.tsx'
import { PageHead, useIdentity } from './page.tsx'
import { NewSealSheet, sealKindWord } from './new-seal.tsx'

export function SealsPage() {
  const { t } = useWords()
  const me = useIdentity()
  const queries = useQueryClient()
  const [making, setMaking] = useState<'none' | 'form' | 'draw'>('none')
  const person = me.acting.kind === 'person'
  const mayManage = person || me.acting.role === 'admin'
  const seals = useQuery({
    queryKey: ['seals'],
    queryFn: ({ signal }) => call<Page<Seal>>('GET', '/seals?limit=100', { signal }),
  })
  const refresh = () => queries.invalidateQueries({ queryKey: ['seals'] })
  const drawn = useMutation({
    mutationFn: (handwriting: Handwriting) =>
      call<Seal>('POST', '/seals', {
        body: { kind: 'personal', name: t('sealsDraw'), handwriting },
        idempotencyKey: newKey(),
      }),
    onSuccess: () => {
      setMaking('none')
      refresh()
    },
  })
  const actions = mayManage && (
    <>
      {person && (
        <Button icon="pen" onClick={() => setMaking('draw')}>
          {t('sealsDraw')}
        </Button>
      )}
      <Button look="primary" icon="plus" onClick={() => setMaking('form')}>
        {t(person ? 'sealsText' : 'sealsNew')}
      </Button>
    </>
  )
  return (
    <main className="page-body">
      <PageHead title={t('sealsTitle')} lead={t('sealsLead')}>
        {actions}
      </PageHead>
      {!mayManage && <Note>{t('sealsOnlyAdmin')}</Note>}
      <ProblemNote error={drawn.error} />
      {seals.isPending ? (
        <Bones rows={4} height={60} />
      ) : seals.error ? (
        <ProblemNote error={seals.error} onRetry={seals.refetch} />
      ) : seals.data.items.length === 0 ? (
        <section className="card">
          <Empty icon="seal" title={t('sealsEmptyTitle')} action={<div className="row">{actions}</div>}>
            {t(person ? 'sealsEmptyPerson' : 'sealsEmptyCorp')}
          </Empty>
        </section>
      ) : (
        <ul className="seal-grid">
          {seals.data.items.map((seal) => (
            <SealCard key={seal.id} seal={seal} manage={mayManage} corp={!person} onChanged={refresh} />
          ))}
        </ul>
      )}
      {making === 'form' && <NewSealSheet me={me} onClose={() => setMaking('none')} onMade={refresh} />}
      {making === 'draw' && (
        <DrawingPad
          name={me.person.name}
          onClose={() => setMaking('none')}
          onUse={(handwriting) => drawn.mutate(handwriting)}
        />
      )}
    </main>
  )
}

function SealCard({
  seal,
  manage,
  corp,
  onChanged,
}: {
  seal: Seal
  manage: boolean
  corp: boolean
  onChanged(): void
}) {
  const { t } = useWords()
  const change = useMutation({
    mutationFn: (status: Seal['status']) => call<Seal>('PATCH', `/seals/${seal.id}`, { body: { status } }),
    onSuccess: onChanged,
  })
  const active = seal.status === 'active'
  return (
    <li className={active ? 'card seal-card' : 'card seal-card disabled'}>
      <img src={`/api/v1/seals/${seal.id}/image.svg`} alt={seal.name} />
      <div className="stack tight">
        <div>
          <h2>{seal.name}</h2>
          <p className="muted small">
            {t(sealKindWord[seal.kind])} · {t('sealsSize', { width: seal.widthMm, height: seal.heightMm })}
          </p>
          {!active && <span className="badge">{t('sealsDisabled')}</span>}
        </div>
        {corp && <Scenes seal={seal} manage={manage && active} onChanged={onChanged} />}
        <ProblemNote error={change.error} />
        {manage && (
          <Button slim busy={change.isPending} onClick={() => change.mutate(active ? 'disabled' : 'active')}>
            {t(active ? 'sealsDisable' : 'sealsEnable')}
          </Button>
        )}
      </div>
    </li>
  )
}

function Scenes({ seal, manage, onChanged }: { seal: Seal; manage: boolean; onChanged(): void }) {
  const { t } = useWords()
  const [name, setName] = useState('')
  const [until, setUntil] = useState('')
  const key = useRef(newKey())
  const path = `/seals/${seal.id}/free-sign-scenes`
  const add = useMutation({
    mutationFn: () =>
      call('POST', path, {
        body: {
          name: name.trim(),
          ...(until ? { expiresAt: new Date(`${until}T23:59:59`).toISOString() } : {}),
        },
        idempotencyKey: key.current,
      }),
    onSuccess: () => {
      setName('')
      key.current = newKey()
      onChanged()
    },
  })
  const revoke = useMutation({
    mutationFn: (businessId: string) => call('DELETE', `${path}/${encodeURIComponent(businessId)}`),
    onSuccess: onChanged,
  })
  return (
    <details className="scenes">
      <summary>
        {t('sealsScenes')} <span className="count">{seal.freeSignScenes.length}</span>
      </summary>
      <div className="stack tight">
        <p className="muted small">{t('sealsScenesWhy')}</p>
        <ul>
          {seal.freeSignScenes.map((scene) => (
            <li key={scene.businessId} className="row">
              <span className="grow">
                {scene.name} <span className="mono muted">{scene.businessId}</span>
                {scene.expiresAt && (
                  <span className="muted small">
                    {' '}
                    {t('sealsSceneUntil', { time: formatDay(new Date(scene.expiresAt)) })}
                  </span>
                )}
              </span>
              <CopyButton text={scene.businessId} />
              {manage && (
                <IconButton
                  icon="trash"
                  label={`${t('sealsSceneRevoke')} ${scene.name}`}
                  onClick={() => revoke.mutate(scene.businessId)}
                />
              )}
            </li>
          ))}
        </ul>
        {manage && (
          <form
            className="scene-form"
            onSubmit={(event) => {
              event.preventDefault()
              if (name.trim()) add.mutate()
            }}
          >
            <TextField
              label={t('sealsSceneName')}
              value={name}
              maxLength={60}
              onChange={(event) => {
                setName(event.target.value)
                key.current = newKey()
              }}
            />
            <TextField
              label={t('noted', { what: t('wizardDeadline'), note: t('optional') })}
              type="date"
              min={formatDay(new Date())}
              value={until}
              onChange={(event) => {
                setUntil(event.target.value)
                key.current = newKey()
              }}
            />
            <Button type="submit" slim disabled={!name.trim()} busy={add.isPending}>
              {t('sealsSceneAdd')}
            </Button>
          </form>
        )}
        <ProblemNote error={add.error ?? revoke.error} />
      </div>
    </details>
  )
}
