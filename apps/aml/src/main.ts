import { runProgram } from '@finality/service';
import { amlProgram } from './program.ts';

process.exitCode = await runProgram(amlProgram, process.argv.slice(2));
