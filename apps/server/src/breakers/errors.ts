import { defineRefusals } from '#src/errors.ts'

export const refuse = defineRefusals({
  dependency_unavailable: {
    kind: 'unavailable',
    zh: '所依赖的服务（{dependency}）暂时不可用，约 {seconds} 秒后再试；已受理的事项会自动继续。',
    en: 'A service that this needs ({dependency}) is not available. Try again in about {seconds} seconds; what was accepted goes on by itself.',
  },
  dependency_busy: {
    kind: 'unavailable',
    zh: '所依赖的服务（{dependency}）当前请求过多，请稍后再试。',
    en: 'A service that this needs ({dependency}) has as many calls under way as it may have. Try again in a moment.',
  },
})
