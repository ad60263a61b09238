import { testSeeds } from './seeds.fixture.ts';

testSeeds(7, 12);
