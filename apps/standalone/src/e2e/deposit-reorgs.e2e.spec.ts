import { onEachNode } from './e2e.fixture.ts';
import { depositInReorg } from './suites/deposit-reorgs.fixture.ts';

onEachNode('a deposit in a reorg', depositInReorg);
