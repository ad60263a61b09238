import { onEachNode } from './e2e.fixture.ts';
import { threeModes } from './suites/modes.fixture.ts';

onEachNode('three modes', threeModes);
