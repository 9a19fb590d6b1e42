/** @module The figures of a service level agreement as pure functions, for server, command line and browser. */
export * from './availability.ts'
export * from './calendar.ts'
export * from './durability.ts'
export * from './durability-simulation.ts'
export * from './failure-rate.ts'
export * from './minutes-csv.ts'
