import { onPlatform } from './e2e.fixture.ts';
import { badInput } from './suites/bad-input.fixture.ts';

onPlatform('bad input', badInput);
