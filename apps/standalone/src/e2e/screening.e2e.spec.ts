import { onPlatform } from './e2e.fixture.ts';
import { SCREENED, screening } from './suites/screening.fixture.ts';

onPlatform('screening', screening, { environment: SCREENED });
