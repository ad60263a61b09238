import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { type Observable, throwError } from 'rxjs';

/** Hands whatever a handler threw to the transport as it is; Nest's default filter would replace it before its cause can be logged. */
@Catch()
export class PassOnErrors implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
