import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigError, readConfig } from '@yinxin/server'
import { beforeEach, describe, expect, it, type TestContext } from 'vitest'

const folder = join(import.meta.dirname, '../deploy/kubernetes')

interface Manifest {
  kind: string
  apiVersion: string
  metadata: { name: string; labels?: Record<string, string> }
  // What differs by kind is read where a test needs it.
  [part: string]: unknown
}

/** Every document of the folder, read by PyYAML, which the validator brings along. */
function manifests(files: readonly string[]): Manifest[] {
  const script =
    'import json,sys,yaml\nprint(json.dumps([one for path in sys.argv[1:] for one in yaml.safe_load_all(open(path, encoding="utf-8"))]))'
  const { stdout, status, stderr } = spawnSync(
    'python3',
    ['-c', script, ...files.map((file) => join(folder, file))],
    {
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Manifest[]
}

const files = readdirSync(folder)
  .filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml')
  .sort()

/** @returns whether the validator is here; fails without it when CI=true */
function hasValidator(context: TestContext): boolean {
  if (spawnSync('kubernetes-validate', ['--version']).status === 0) return true
  if (process.env.CI === 'true')
    throw new Error('kubernetes-validate is missing (pip install kubernetes-validate)')
  console.warn('SKIPPED: kubernetes-validate is missing (pip install kubernetes-validate)')
  context.skip('kubernetes-validate is missing')
  return false
}

describe('the manifests for Kubernetes', () => {
  let all: Manifest[] = []
  beforeEach((context) => {
    if (hasValidator(context)) all = manifests(files)
  })
  const of = (kind: string) => all.filter((one) => one.kind === kind)
  const component = (one: Manifest) => one.metadata.labels?.['app.kubernetes.io/component']

  it.each(['1.30', '1.34', '1.37'])(
    'are valid for version %s, and know no field that it does not',
    (version) => {
      const { status, stdout, stderr } = spawnSync(
        'kubernetes-validate',
        ['--strict', '-k', version, ...files.map((file) => join(folder, file))],
        { encoding: 'utf8' },
      )
      expect(status, stdout + stderr).toBe(0)
    },
  )

  it('are all in the kustomization, and nothing else is', () => {
    const [kustomization] = manifests(['kustomization.yaml'])
    expect([...(kustomization!.resources as string[])].sort()).toEqual(files)
  })

  it('give settings with which a production server starts, together with the secrets that the README names', () => {
    const settings = of('ConfigMap')[0]?.data as Record<string, string>
    const readme = readFileSync(join(folder, 'README.md'), 'utf8')
    const secrets = Object.fromEntries(
      Array.from(readme.matchAll(/^(YINXIN_[A-Z0-9_]+)=(.*)$/gm), ([, name, value]) => [
        name!,
        value!.replaceAll('…', 'secret.example.com'),
      ]),
    )
    const config = readConfig({ ...settings, ...secrets }, ['api'])
    expect(config).toMatchObject({ mode: 'production', allowSimulators: false, port: 8420 })
    expect(config.buckets?.map(({ buckets }) => buckets.length)).toEqual([3, 3])
    expect(config.keys.driver.kind).toBe('vault')
    for (const name of Object.keys(secrets)) {
      const { [name]: _, ...rest } = secrets
      expect(() => readConfig({ ...settings, ...rest }, ['api']), name).toThrow(ConfigError)
    }
  })

  it('double what there is when 60 % is used, each role for itself, and leave two', () => {
    const scalers = of('HorizontalPodAutoscaler')
    expect(scalers.map(component).sort()).toEqual(['api', 'worker'])
    for (const { spec } of scalers) {
      expect(spec).toMatchObject({
        minReplicas: 2,
        metrics: [
          { resource: { name: 'cpu', target: { averageUtilization: 60 } } },
          { resource: { name: 'memory', target: { averageUtilization: 60 } } },
        ],
        behavior: { scaleUp: { stabilizationWindowSeconds: 0, policies: [{ type: 'Percent', value: 100 }] } },
      })
    }
  })

  it('name for every role pods that exist: its service, autoscaler, budget and network policy select them', () => {
    const sets = of('StatefulSet')
    expect(sets.map(component).sort()).toEqual(['api', 'worker'])
    for (const set of sets) {
      const role = component(set)
      const spec = set.spec as {
        serviceName: string
        selector: object
        template: { metadata: { labels: object } }
      }
      const labels = { 'app.kubernetes.io/name': 'yinxin', 'app.kubernetes.io/component': role }
      expect(spec.selector).toEqual({ matchLabels: labels })
      expect(spec.template.metadata.labels).toEqual(labels)
      const [service, scaler, budget, policy] = (
        ['Service', 'HorizontalPodAutoscaler', 'PodDisruptionBudget', 'NetworkPolicy'] as const
      ).map((kind) => of(kind).find((one) => component(one) === role))
      expect(service).toMatchObject({ metadata: { name: spec.serviceName }, spec: { selector: labels } })
      expect(scaler).toMatchObject({
        spec: { scaleTargetRef: { kind: 'StatefulSet', name: set.metadata.name } },
      })
      expect(budget).toMatchObject({ spec: { maxUnavailable: 1, selector: { matchLabels: labels } } })
      expect(policy).toMatchObject({ spec: { podSelector: { matchLabels: labels } } })
    }
  })

  it('run nothing as root, write nowhere but into volumes, and ask the health routes that there are', () => {
    const health = readFileSync(join(import.meta.dirname, '../apps/server/src/http/health.ts'), 'utf8')
    for (const set of of('StatefulSet')) {
      const pod = (set.spec as { template: { spec: Record<string, unknown> } }).template.spec
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true },
      })
      const [container] = pod.containers as Record<string, unknown>[]
      expect(container!.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
        const { path } = (container![probe] as { httpGet: { path: string } }).httpGet
        expect(health).toContain(`url: '${path}'`)
      }
      const mounted = (container!.volumeMounts as { name: string }[]).map(({ name }) => name)
      const claims = (set.spec as { volumeClaimTemplates: Manifest[] }).volumeClaimTemplates
      const there = [
        ...(pod.volumes as { name: string }[]).map(({ name }) => name),
        ...claims.map((one) => one.metadata.name),
      ]
      expect(mounted.sort()).toEqual(there.sort())
    }
  })
})
