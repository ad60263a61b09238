import { runProgram } from '@finality/service';
import { riskProgram } from './program.ts';

process.exitCode = await runProgram(riskProgram, process.argv.slice(2));
