import type { FastifyReply } from 'fastify'
import { SESSION_COOKIE } from './authentication.ts'

/** Gives the browser its session. `https` decides on Secure. */
export function setSessionCookie(
  reply: FastifyReply,
  token: string,
  options: { https: boolean; maxAgeS: number },
) {
  reply.setCookie(SESSION_COOKIE, token, {
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure: options.https,
    maxAge: options.maxAgeS,
  })
}

export function clearSessionCookie(reply: FastifyReply, options: { https: boolean }): void {
  reply.clearCookie(SESSION_COOKIE, { path: '/', httpOnly: true, sameSite: 'lax', secure: options.https })
}
