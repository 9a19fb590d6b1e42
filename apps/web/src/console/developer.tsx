import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { App, AppWithSecret, Page } from '@yinxin/sdk/wire'
import { useRef, useState } from 'react'
import { call, fieldError } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { Button, SelectField, TextField } from '../design/controls.tsx'
import { Bones, CopyButton, Empty, Note, ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { useWords } from '../words/words.tsx'
import { PageHead, useIdentity } from './page.tsx'

export function DeveloperPage() {
  const { t } = useWords()
  const me = useIdentity()
  const queries = useQueryClient()
  const [making, setMaking] = useState(false)
  const [secret, setSecret] = useState<AppWithSecret | null>(null)
  const allowed = me.acting.kind === 'corp' && me.acting.role === 'admin'
  const apps = useQuery({
    queryKey: ['apps'],
    queryFn: ({ signal }) => call<Page<App>>('GET', '/apps?limit=100', { signal }),
    enabled: allowed,
  })
  const refresh = () => queries.invalidateQueries({ queryKey: ['apps'] })
  const reveal = (app: AppWithSecret) => {
    setMaking(false)
    setSecret(app)
    refresh()
  }
  const newButton = (
    <Button look="primary" icon="plus" onClick={() => setMaking(true)}>
      {t('devNew')}
    </Button>
  )
  return (
    <main className="page-body narrow">
      <PageHead title={t('devTitle')} lead={t('devLead')}>
        {allowed && newButton}
      </PageHead>
      {!allowed ? (
        <section className="card">
          <Empty icon="company" title={t('devApps')}>
            {t('devNeedsCorp')}
          </Empty>
        </section>
      ) : apps.isPending ? (
        <Bones rows={3} height={48} />
      ) : apps.error ? (
        <ProblemNote error={apps.error} onRetry={apps.refetch} />
      ) : apps.data.items.length === 0 ? (
        <section className="card">
          <Empty icon="code" title={t('devEmptyTitle')} action={newButton}>
            {t('devEmptyText')}
          </Empty>
        </section>
      ) : (
        apps.data.items.map((app) => (
          <AppCard key={app.appId} app={app} onChanged={refresh} onSecret={reveal} />
        ))
      )}
      <QuickStart appId={apps.data?.items[0]?.appId ?? '<appId>'} />
      {making && <NewAppSheet onClose={() => setMaking(false)} onMade={reveal} />}
      {secret && (
        <Sheet
          title={t('devSecretTitle')}
          onClose={() => setSecret(null)}
          footer={
            <Button look="primary" onClick={() => setSecret(null)}>
              {t('devSecretSaved')}
            </Button>
          }
        >
          <div className="stack">
            <Note tone="wait">{t('devSecretText')}</Note>
            <dl className="facts">
              <dt>App ID</dt>
              <dd className="row">
                <code>{secret.appId}</code>
                <CopyButton text={secret.appId} />
              </dd>
              <dt>App Secret</dt>
              <dd className="row">
                <code>{secret.appSecret}</code>
                <CopyButton text={secret.appSecret} />
              </dd>
            </dl>
          </div>
        </Sheet>
      )}
    </main>
  )
}

function AppCard({
  app,
  onChanged,
  onSecret,
}: {
  app: App
  onChanged(): void
  onSecret(app: AppWithSecret): void
}) {
  const { t } = useWords()
  const [address, setAddress] = useState(app.callbackUrl ?? '')
  const [rotating, setRotating] = useState(false)
  const patch = useMutation({
    mutationFn: (part: { callbackUrl?: string | null; active?: boolean }) =>
      call<App>('PATCH', `/apps/${app.appId}`, { body: part }),
    onSuccess: onChanged,
  })
  const rotate = useMutation({
    mutationFn: () => call<AppWithSecret>('POST', `/apps/${app.appId}/secret`, { idempotencyKey: newKey() }),
    onSuccess: (fresh) => {
      setRotating(false)
      onSecret(fresh)
    },
  })
  return (
    <section className="card stack">
      <div className="row apart">
        <div className="row">
          <h2>{app.name}</h2>
          <span className={app.environment === 'production' ? 'badge good' : 'badge wait'}>
            {t(app.environment === 'production' ? 'devProduction' : 'devSandbox')}
          </span>
          {!app.active && <span className="badge">{t('corpInactive')}</span>}
        </div>
        <div className="row">
          <Button slim onClick={() => setRotating(true)}>
            {t('devRotate')}
          </Button>
          <Button slim busy={patch.isPending} onClick={() => patch.mutate({ active: !app.active })}>
            {t(app.active ? 'devDisable' : 'devEnable')}
          </Button>
        </div>
      </div>
      <dl className="facts">
        <dt>App ID</dt>
        <dd className="row">
          <code>{app.appId}</code>
          <CopyButton text={app.appId} />
        </dd>
      </dl>
      <form
        className="callback-form"
        onSubmit={(event) => {
          event.preventDefault()
          patch.mutate({ callbackUrl: address.trim() || null })
        }}
      >
        <TextField
          label={t('devCallback')}
          type="url"
          placeholder="https://example.com/yinxin/callback"
          value={address}
          error={fieldError(patch.error, 'callbackUrl')}
          onChange={(event) => setAddress(event.target.value)}
        />
        <Button type="submit" disabled={address.trim() === (app.callbackUrl ?? '')} busy={patch.isPending}>
          {t('save')}
        </Button>
      </form>
      <ProblemNote error={patch.error} />
      {rotating && (
        <Sheet
          title={t('labelled', { label: t('devRotate'), value: app.name })}
          onClose={() => setRotating(false)}
          footer={
            <>
              <Button onClick={() => setRotating(false)}>{t('cancel')}</Button>
              <Button look="danger" busy={rotate.isPending} onClick={() => rotate.mutate()}>
                {t('devRotate')}
              </Button>
            </>
          }
        >
          <Note tone="bad">{t('devRotateText')}</Note>
          <ProblemNote error={rotate.error} />
        </Sheet>
      )}
    </section>
  )
}

function NewAppSheet({ onClose, onMade }: { onClose(): void; onMade(app: AppWithSecret): void }) {
  const { t } = useWords()
  const [name, setName] = useState('')
  const [environment, setEnvironment] = useState<App['environment']>('sandbox')
  const key = useRef(newKey())
  const create = useMutation({
    mutationFn: () =>
      call<AppWithSecret>('POST', '/apps', {
        body: { name: name.trim(), environment },
        idempotencyKey: key.current,
      }),
    onSuccess: onMade,
  })
  return (
    <Sheet
      title={t('devNew')}
      onClose={onClose}
      footer={
        <Button
          look="primary"
          wide
          disabled={!name.trim()}
          busy={create.isPending}
          onClick={() => create.mutate()}
        >
          {t('devNew')}
        </Button>
      }
    >
      <div className="stack">
        <TextField
          label={t('devName')}
          value={name}
          maxLength={60}
          onChange={(event) => {
            setName(event.target.value)
            key.current = newKey()
          }}
        />
        <SelectField
          label={t('devEnvironment')}
          value={environment}
          options={[
            { value: 'sandbox', label: t('devSandbox') },
            { value: 'production', label: t('devProduction') },
          ]}
          onChange={(value) => {
            setEnvironment(value)
            key.current = newKey()
          }}
        />
        <ProblemNote error={create.error} />
      </div>
    </Sheet>
  )
}

function QuickStart({ appId }: { appId: string }) {
  const { t } = useWords()
  const code = `import { readFile } from 'node:fs/promises'
import { createClient } from '@yinxin/sdk'

const yinxin = createClient({
  baseUrl: '${location.origin}',
  credential: { appId: '${appId}', appSecret: process.env.YINXIN_APP_SECRET },
})

const file = await yinxin.files.upload(await readFile('contract.pdf'), 'contract.pdf')
const task = await yinxin.signTasks.create({
  title: '房屋租赁合同',
  documents: [{ ref: 'contract', fileId: file.id }],
  actors: [{ ref: 'tenant', kind: 'person', role: 'sign', name: '李雷', mobile: '13800138000' }],
  fields: [
    { documentRef: 'contract', actorRef: 'tenant', kind: 'signature',
      position: { keyword: '乙方（签字）', offsetX: 90 } },
  ],
  autoStart: true,
})
const actor = task.actorDetails[0]
console.log(await yinxin.signTasks.link(task.id, actor.actorId))`
  return (
    <section className="card stack tight">
      <div className="row apart">
        <h2>{t('devQuick')}</h2>
        <CopyButton text={code} />
      </div>
      <pre className="snippet">{code}</pre>
      <p>
        <a href="/api/v1/openapi.json">{t('devReference')}</a>
      </p>
    </section>
  )
}
