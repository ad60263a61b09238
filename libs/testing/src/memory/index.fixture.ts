export { MEMORY_PROTECTIONS, type MemoryProtection } from './protections.fixture.ts';
export * from './report.fixture.ts';
export { type MemoryOptions, type MemoryResult, simulateInMemory } from './simulation.fixture.ts';
