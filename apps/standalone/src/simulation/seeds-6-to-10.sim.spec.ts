import { testSeeds } from './seeds.fixture.ts';

testSeeds(6, 10);
