import { onPlatform } from './e2e.fixture.ts';
import { policy } from './suites/policy.fixture.ts';

onPlatform('policy', policy);
