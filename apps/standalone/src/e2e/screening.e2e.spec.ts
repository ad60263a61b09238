import { onEachNode } from './e2e.fixture.ts';
import { SCREENED, screening } from './suites/screening.fixture.ts';

onEachNode('screening', screening, { environment: SCREENED });
