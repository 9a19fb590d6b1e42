import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Corp, Me, Member, Page } from '@yinxin/sdk/wire'
import { type FormEvent, useRef, useState } from 'react'
import { Link } from 'react-router'
import { call, fieldError } from '../api/client.ts'
import { newKey } from '../api/key.ts'
import { Button, IconButton, SelectField, TextField } from '../design/controls.tsx'
import { Icon } from '../design/icons.tsx'
import { Bones, Empty, Note, ProblemNote } from '../design/notices.tsx'
import { Sheet } from '../design/sheet.tsx'
import { IdentityForm } from '../identity/identity-form.tsx'
import { useWords } from '../words/words.tsx'
import { PageHead, useIdentity } from './page.tsx'

export function CorpPage() {
  const me = useIdentity()
  return me.acting.kind === 'corp' ? <ActingCorp me={me} /> : <MyCorps me={me} />
}

function MyCorps({ me }: { me: Me }) {
  const { t } = useWords()
  const queries = useQueryClient()
  const [registering, setRegistering] = useState(false)
  const change = useMutation({
    mutationFn: (subjectId: string) => call<Me>('PUT', '/me/acting', { body: { subjectId } }),
    onSuccess: (next) => {
      queries.removeQueries({
        predicate: ({ queryKey }) => queryKey[0] !== 'me' && queryKey[0] !== 'environment',
      })
      queries.setQueryData(['me'], next)
    },
  })
  const verified = me.person.identity.verified
  return (
    <main className="page-body narrow">
      <PageHead title={t('corpTitle')}>
        {verified && (
          <Button look="primary" icon="plus" onClick={() => setRegistering(true)}>
            {t('corpNew')}
          </Button>
        )}
      </PageHead>
      {!verified && (
        <section className="card stack">
          <h2>{t('identityTitle')}</h2>
          <p>{t('corpNeedsIdentity')}</p>
          <IdentityForm
            environment={me.environment}
            initialName={me.person.name}
            onPassed={() => queries.invalidateQueries({ queryKey: ['me'] })}
          />
        </section>
      )}
      {me.memberships.length === 0 ? (
        verified && (
          <section className="card">
            <Empty icon="company" title={t('corpNoneTitle')}>
              {t('corpNoneText')}
            </Empty>
          </section>
        )
      ) : (
        <section className="card flush">
          <h2 className="section-head">{t('corpMine')}</h2>
          <ul className="file-list">
            {me.memberships.map((membership) => (
              <li key={membership.corpId}>
                <Icon name="company" />
                <span className="grow">
                  {membership.corpName}
                  <span className="muted small">
                    {' '}
                    · {t(membership.role === 'admin' ? 'roleAdmin' : 'roleMember')}
                  </span>
                </span>
                <Button slim onClick={() => change.mutate(membership.corpId)}>
                  {t('corpSwitch')}
                </Button>
              </li>
            ))}
          </ul>
        </section>
      )}
      <ProblemNote error={change.error} />
      {registering && (
        <RegisterSheet
          onClose={() => setRegistering(false)}
          onDone={(corp) => {
            setRegistering(false)
            change.mutate(corp.id)
          }}
        />
      )}
    </main>
  )
}

function RegisterSheet({ onClose, onDone }: { onClose(): void; onDone(corp: Corp): void }) {
  const { t } = useWords()
  const [name, setName] = useState('')
  const [creditCode, setCreditCode] = useState('')
  const [legalRepresentative, setLegal] = useState('')
  const key = useRef(newKey())
  const register = useMutation({
    mutationFn: () =>
      call<Corp>('POST', '/corps', {
        body: {
          name: name.trim(),
          creditCode: creditCode.trim().toUpperCase(),
          legalRepresentative: legalRepresentative.trim(),
        },
        idempotencyKey: key.current,
      }),
    onSuccess: onDone,
  })
  const edit = (set: (value: string) => void) => (event: { target: { value: string } }) => {
    key.current = newKey()
    set(event.target.value)
  }
  const complete = name.trim() && creditCode.trim() && legalRepresentative.trim()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (complete) register.mutate()
  }
  return (
    <Sheet
      title={t('corpNew')}
      onClose={onClose}
      footer={
        <Button
          look="primary"
          type="submit"
          form="register-corp"
          wide
          disabled={!complete}
          busy={register.isPending}
        >
          {t('corpNew')}
        </Button>
      }
    >
      <form id="register-corp" className="stack" onSubmit={submit}>
        <p className="muted">{t('corpLead')}</p>
        <TextField
          label={t('corpName')}
          name="organization"
          autoComplete="organization"
          value={name}
          error={fieldError(register.error, 'name')}
          onChange={edit(setName)}
        />
        <TextField
          label={t('corpCode')}
          hint={t('corpCodeHint')}
          value={creditCode}
          maxLength={18}
          spellCheck={false}
          autoCapitalize="characters"
          error={fieldError(register.error, 'creditCode')}
          onChange={edit(setCreditCode)}
        />
        <TextField
          label={t('corpLegal')}
          value={legalRepresentative}
          error={fieldError(register.error, 'legalRepresentative')}
          onChange={edit(setLegal)}
        />
        <ProblemNote error={register.error} />
      </form>
    </Sheet>
  )
}

function ActingCorp({ me }: { me: Me }) {
  const { t } = useWords()
  const corpId = me.acting.subjectId
  const admin = me.acting.role === 'admin'
  const corp = useQuery({
    queryKey: ['corp', corpId],
    queryFn: ({ signal }) => call<Corp>('GET', `/corps/${corpId}`, { signal }),
  })
  return (
    <main className="page-body narrow">
      <PageHead title={me.acting.name} lead={t(admin ? 'roleAdmin' : 'roleMember')}>
        {admin && (
          <Link className="button quiet" to="/compensation">
            {t('claimsTitle')}
          </Link>
        )}
        {admin && (
          <Link className="button" to="/exports">
            {t('exportsTitle')}
          </Link>
        )}
      </PageHead>
      {corp.isPending ? (
        <Bones rows={3} />
      ) : corp.error ? (
        <ProblemNote error={corp.error} onRetry={corp.refetch} />
      ) : (
        <section className="card">
          <dl className="facts">
            <dt>{t('corpName')}</dt>
            <dd>
              {corp.data.name}{' '}
              <span className={corp.data.identity.verified ? 'badge good' : 'badge wait'}>
                {t(corp.data.identity.verified ? 'verified' : 'notVerified')}
              </span>
            </dd>
            <dt>{t('corpCode')}</dt>
            <dd className="mono">{corp.data.creditCode}</dd>
            <dt>{t('corpLegal')}</dt>
            <dd>{corp.data.legalRepresentative}</dd>
          </dl>
        </section>
      )}
      {admin && <Members corpId={corpId} myPersonId={me.person.id} />}
    </main>
  )
}

function Members({ corpId, myPersonId }: { corpId: string; myPersonId: string }) {
  const { t } = useWords()
  const queries = useQueryClient()
  const [login, setLogin] = useState('')
  const [role, setRole] = useState<Member['role']>('member')
  const [removing, setRemoving] = useState<Member | null>(null)
  const members = useQuery({
    queryKey: ['members', corpId],
    queryFn: ({ signal }) => call<Page<Member>>('GET', `/corps/${corpId}/members?limit=100`, { signal }),
  })
  const refresh = () => queries.invalidateQueries({ queryKey: ['members', corpId] })
  const add = useMutation({
    mutationFn: () =>
      call<Member>('POST', `/corps/${corpId}/members`, {
        body: { login: login.trim(), role },
        idempotencyKey: newKey(),
      }),
    onSuccess: () => {
      setLogin('')
      refresh()
    },
  })
  const remove = useMutation({
    mutationFn: (personId: string) => call('DELETE', `/corps/${corpId}/members/${personId}`),
    onSuccess: () => {
      setRemoving(null)
      refresh()
    },
  })
  return (
    <section className="card flush">
      <h2 className="section-head">{t('corpMembers')}</h2>
      {members.isPending ? (
        <div className="padded">
          <Bones rows={2} />
        </div>
      ) : members.error ? (
        <div className="padded">
          <ProblemNote error={members.error} onRetry={members.refetch} />
        </div>
      ) : (
        <ul className="file-list">
          {members.data.items.map((member) => (
            <li key={member.personId}>
              <Icon name="person" />
              <span className="grow">
                {member.name ?? member.login}
                <span className="muted small">
                  {' '}
                  · {member.login} · {t(member.role === 'admin' ? 'roleAdmin' : 'roleMember')}
                </span>
              </span>
              {!member.active && <span className="badge">{t('corpInactive')}</span>}
              {member.active && member.personId !== myPersonId && (
                <IconButton
                  icon="trash"
                  label={`${t('remove')} ${member.login}`}
                  onClick={() => setRemoving(member)}
                />
              )}
            </li>
          ))}
        </ul>
      )}
      <form
        className="member-form"
        onSubmit={(event) => {
          event.preventDefault()
          if (login.trim()) add.mutate()
        }}
      >
        <TextField
          label={t('corpMemberLogin')}
          value={login}
          onChange={(event) => setLogin(event.target.value)}
        />
        <SelectField
          label={t('wizardRole')}
          value={role}
          options={[
            { value: 'member', label: t('roleMember') },
            { value: 'admin', label: t('roleAdmin') },
          ]}
          onChange={setRole}
        />
        <Button type="submit" disabled={!login.trim()} busy={add.isPending}>
          {t('corpAddMember')}
        </Button>
      </form>
      {add.error && (
        <div className="padded">
          <ProblemNote error={add.error} />
        </div>
      )}
      {removing && (
        <Sheet
          title={t('labelled', { label: t('remove'), value: removing.name ?? removing.login })}
          onClose={() => setRemoving(null)}
          footer={
            <>
              <Button onClick={() => setRemoving(null)}>{t('cancel')}</Button>
              <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate(removing.personId)}>
                {t('remove')}
              </Button>
            </>
          }
        >
          <div className="stack">
            <Note tone="bad">{t('corpRemoveMember')}</Note>
            <ProblemNote error={remove.error} />
          </div>
        </Sheet>
      )}
    </section>
  )
}
