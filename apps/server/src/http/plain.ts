/** zod marks absent keys as possibly undefined; JSON has no such thing, so they are left out here. */
export function plain<T>(value: T): Exact<T> {
  return JSON.parse(JSON.stringify(value)) as Exact<T>
}

type Exact<T> = T extends (infer Item)[]
  ? Exact<Item>[]
  : T extends object
    ? { [K in keyof T as undefined extends T[K] ? never : K]: Exact<T[K]> } & {
        [K in keyof T as undefined extends T[K] ? K : never]?: Exact<Exclude<T[K], undefined>>
      }
    : T
