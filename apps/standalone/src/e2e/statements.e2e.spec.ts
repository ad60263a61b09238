import { onPlatform } from './e2e.fixture.ts';
import { statements } from './suites/statements.fixture.ts';

onPlatform('statements', statements);
