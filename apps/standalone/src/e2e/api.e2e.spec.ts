import { onPlatform } from './e2e.fixture.ts';
import { theApi } from './suites/api.fixture.ts';

onPlatform('the API', theApi);
